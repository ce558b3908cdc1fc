#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "harness/runtime/cpu.h"
#include "harness/runtime/jit_code.h"
#include "harness/runtime/profile.h"
#include "harness/runtime/registry.h"

namespace assay {

/// How often a variant was called, and how long, where that is asked for. Each thread counts for itself: on one cache line for all, the threads of a runner would wait for
/// each other.
class CallCounter {
 public:
  void add() { slots_[slot_of_thread()].calls.fetch_add(1, std::memory_order_relaxed); }
  uint64_t total() const;

  /// Whether calls are timed from here on, which costs each some 50 ns. Not while there are calls.
  void set_timed(bool timed) { timed_.store(timed, std::memory_order_relaxed); }
  bool is_timed() const { return timed_.load(std::memory_order_relaxed); }
  /// Of all threads together.
  double seconds() const;
  /// Adds the time from its making to its end.
  class Stopwatch {
   public:
    explicit Stopwatch(CallCounter& counter) : counter_(counter) {}
    ~Stopwatch() {
      const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - begin_);
      counter_.slots_[slot_of_thread()].ns.fetch_add(static_cast<uint64_t>(ns.count()), std::memory_order_relaxed);
    }
    Stopwatch(const Stopwatch&) = delete;

   private:
    CallCounter& counter_;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
  };

 private:
  struct alignas(64) Slot {
    std::atomic<uint64_t> calls{0};
    std::atomic<uint64_t> ns{0};
  };
  static constexpr size_t kSlots = 16;  // threads beyond share them
  static size_t slot_of_thread();

  std::array<Slot, kSlots> slots_;
  std::atomic<bool> timed_{false};
};

/// A function that dispatch chose. Calling it counts, so that tests can ask what really ran.
template <class F>
class Bound {
 public:
  Bound() = default;
  Bound(F* fn, const Variant* variant, CallCounter* calls) : fn_(fn), variant_(variant), calls_(calls) {}

  template <class... A>
  auto operator()(A... args) const {
    calls_->add();
    if (calls_->is_timed()) {
      const CallCounter::Stopwatch watch(*calls_);
      return fn_(args...);
    }
    return fn_(args...);
  }
  const Variant& variant() const { return *variant_; }

 private:
  F* fn_ = nullptr;
  const Variant* variant_ = nullptr;
  CallCounter* calls_ = nullptr;
};

/// What dispatch decided for a kernel at a shape, and why.
struct Decision {
  std::string kernel;
  Shape shape;
  std::string variant;
  std::string why;
};

/// kernel -> variant of "kernel=variant,...", kernels may be globs, the later wins. A glob passes over kernels that have no such variant by
/// design (assay_contract::left_out), and over those that a plug-in has none for. Throws InputError for an unknown kernel or
/// variant, MachineError for one that this CPU cannot run; `origin` is what its message names.
std::map<std::string, std::string> read_force(const Cpu& cpu, const std::string& force, const std::string& origin);

/// The table of functions that a profile yields. Thread-safe.
class Dispatch {
 public:
  struct Options {
    std::string profile;          ///< "": the default place; there a missing file is no error
    std::string force;            ///< "kernel=variant,...", kernels may be globs: "*=scalar"; the later wins
    bool accept_claims = false;   ///< choices of the profile that did not pass but keep what they claim are used
    bool use_environment = true;  ///< ASSAY_FORCE counts before `force`
    std::function<void(const std::string&)> notice;  ///< receives one line for people: why no profile is used
  };
  /// Throws InputError for a force that names an unknown kernel or variant, MachineError for one that this CPU cannot
  /// run, InputError for a profile that was named and cannot be read.
  Dispatch(const Cpu& cpu, const Options& options);
  /// Every kernel on one variant table, for tests: kernel -> variant.
  Dispatch(const Cpu& cpu, const std::map<std::string, std::string>& table);

  /// The function for `kernel` at `shape`; JIT code is generated once for a key and kept.
  template <class F>
  Bound<F> get(const std::string& kernel, const Shape& shape) {
    return bind<F>(choose_variant(kernel, shape), shape);
  }
  /// The function of one given variant.
  template <class F>
  Bound<F> bind(const Variant& variant, const Shape& shape) {
    return Bound<F>(reinterpret_cast<F*>(entry(variant, shape)), &variant, &counter(variant));
  }

  /// The variant for `kernel` at `shape`: the forced one, else the profile's nearest shape (the least sum of
  /// |log2| size ratios, ragged lengths apart from whole ones), else the best ISA. `cold`: the data lies in no cache although it would fit one. Remembered for
  /// decisions().
  const Variant& choose_variant(const std::string& kernel, const Shape& shape, bool cold = false);

  std::vector<Decision> decisions() const;
  /// Test hook: calls made through Bound, for each variant that was called: "dot_f32/avx2" -> 12.
  std::map<std::string, uint64_t> ran() const;
  /// Whether calls through Bound are timed. Not while there are some.
  void time_calls(bool timed);
  /// What the timed ones took, of all threads together, by kernel.
  std::map<std::string, double> seconds_of_kernels() const;

 private:
  Decision decide_for(const Kernel& kernel, const Shape& shape, bool cold) const;
  AnyFn entry(const Variant& variant, const Shape& shape);
  CallCounter& counter(const Variant& variant);
  void apply_force(const std::string& force, const std::string& origin);

  Cpu cpu_;
  /// A choice of the profile that this CPU runs.
  struct Known {
    Choice choice;
    const Variant* variant;
    bool stale() const { return variant->code != choice.code; }  ///< its code is no longer what was measured
  };
  std::vector<Known> choices_;
  std::map<std::string, std::pair<std::string, std::string>> forced_;  // kernel -> (variant, origin)
  mutable std::mutex mutex_;
  std::map<std::string, Decision> decisions_;
  std::map<std::string, std::unique_ptr<JitCode>> code_;
  std::map<std::string, CallCounter> calls_;  // by variant
  bool timed_ = false;
};

}  // namespace assay
