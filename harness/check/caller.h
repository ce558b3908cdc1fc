#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "harness/check/fuzzed_case.h"

namespace assay {

/// Marks what is being called in this thread, for the text of a crash: the kernel of a case, or a step before it.
class AtWork {
 public:
  /// step: "" for the kernel itself.
  AtWork(const FuzzedCase* c, const char* step);
  ~AtWork();
  AtWork(const AtWork&) = delete;

  /// nullptr: nothing is.
  static const FuzzedCase* the_case();
  static const char* step();

 private:
  const FuzzedCase* outer_case_;
  const char* outer_step_;
};

/// Makes the call of one case, once or again and again, and compares what it wrote.
class Caller {
 public:
  Caller(FuzzedCase& c, const Call& call) : case_(c), call_(call) {}

  /// From buffers as before the call, outputs and scratch full of `poison`.
  void call(uint8_t poison);
  /// The same, instruction by instruction within the limits of the case's plan. `and_then`: at its end, while the steps
  /// of other threads still have their handler.
  void call_stepped(uint8_t poison, const StepVisitor& visit, const std::function<void()>& and_then = nullptr);
  /// Throws Mismatch if the last call left the machine or what lies beside its buffers other than it found them.
  void check_state() const;

  /// A call whose results are those that later ones must repeat.
  void call_first();
  /// One that must repeat them. Throws Mismatch of `check`, saying `how` it was called.
  void call_again(const char* check, const char* how);
  /// Whether the last call (other than the first) has. Throws Mismatch otherwise.
  void compare(const char* check, const char* how) const;

  /// The kernel's function.
  uint64_t target() const { return reinterpret_cast<uint64_t>(call_.target); }

 private:
  void make(bool step);
  std::vector<uint8_t> written() const;  ///< results of the last call: what it returned, and outputs

  FuzzedCase& case_;
  const Call& call_;
  std::vector<uint8_t> first_;
};

}  // namespace assay
