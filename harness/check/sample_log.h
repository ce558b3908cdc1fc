#pragma once
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "harness/check/case_id.h"
#include "harness/check/judge.h"

namespace assay {

/// The check that a failure of the machine goes under: no memory, no thread, a limit. The variant is not to blame.
inline constexpr const char* kMachine = "machine";

/// What a sample is, in memory that two processes share: a case, or the command that repeats what is none.
class SampleId {
 public:
  void set(const CaseId& id);
  void set(const std::string& command);
  std::optional<CaseId> to_case() const;
  /// The command that repeats it.
  std::string command() const;
  /// For people: the case or the command.
  std::string text() const;

 private:
  static constexpr size_t kMostSizes = 4;
  bool is_case_;
  char text_[512];  ///< the command, or the case's variant
  uint64_t sizes_[kMostSizes];
  size_t size_count_;
  InputClass input_class_;
  size_t alias_;
  uint64_t seed_;
  Place place_;
  size_t keep_from_, keep_to_;
  bool small_integers_;
};

/// What a child process tells its parent of one variant, sample by sample. It lies, zeroed at first, in memory that both
/// share: readable also after a crash.
class SampleLog {
 public:
  /// A sample begins: this log's variant is to blame for what happens until it is done or failed.
  void begin(const CaseId& id);
  /// One that is no case; `command` repeats it.
  void begin(const std::string& command);

  /// The sample was right. `count`: how many it stands for.
  /// `worst`: what of it had the largest error, where that is not all of it.
  void done(const ErrorStats& errors, uint64_t count = 1, const std::string& worst = "");
  void done(double error_over_bound) { done(ErrorStats{0, error_over_bound}); }

  /// The sample was wrong, as `check` ("value", "memory", ...) saw. A failure that is not kept stays the verdict's, whatever
  /// comes after.
  void fail(const std::string& check, const std::string& message);
  void fail(const std::string& message) { fail("value", message); }

  /// A check beside other threads could not be made: the system gave none.
  void leave_out_threads() { threads_left_out_ = true; }

  /// Puts the failure aside, to go on with the next sample. False: no room for another after this one.
  bool keep_failure();
  /// The end of a check that kept going: the first failure is the verdict's.
  void fail_as_kept();

  /// All samples were tried, or one failed: the process may end.
  void end() { ended_ = true; }

  // What the parent reads.
  struct Failure {
    char check[32];
    char message[2048];
    SampleId sample;
  };
  uint64_t samples() const { return samples_.load(std::memory_order_relaxed); }
  bool at_work() const { return at_work_; }
  bool ended() const { return ended_; }
  bool threads_left_out() const { return threads_left_out_; }
  const ErrorStats& errors() const { return errors_; }
  /// The sample with the largest error over bound; nullptr if all were exact.
  const SampleId* worst() const { return has_worst_ ? &worst_ : nullptr; }
  /// nullptr if nothing failed.
  const Failure* failure() const { return failed_ ? &failure_ : nullptr; }
  size_t kept_count() const { return kept_count_; }
  const Failure& kept(size_t i) const { return kept_[i]; }

  /// In a child process: the log of the sample at work, or of the last one. What crashes it is written there.
  static SampleLog* of_this_process;

 private:
  void begin();

  std::atomic<uint64_t> samples_;  ///< right ones; also the sign of life
  bool at_work_;
  bool ended_;
  bool threads_left_out_;
  SampleId current_;
  ErrorStats errors_;
  bool has_worst_;
  SampleId worst_;
  bool failed_;
  Failure failure_;
  static constexpr size_t kMostKept = 64;
  size_t kept_count_;
  Failure kept_[kMostKept];
};

}  // namespace assay
