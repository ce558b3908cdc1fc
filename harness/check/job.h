#pragma once
#include <atomic>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/check/check.h"
#include "harness/check/child.h"

namespace assay {

/// What a sample is, in memory that two processes share: a case, or the command that repeats what is none.
class SampleId {
 public:
  void set(const CaseId& id);
  void set(const std::string& command);
  std::optional<CaseId> to_case() const;
  /// The command that repeats it.
  std::string command() const;

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

/// What a child process tells its parent, in shared memory: readable also after a crash.
struct SampleLog {
  std::atomic<uint64_t> samples;  ///< finished ones; also the sign of life
  ErrorStats errors;
  bool failed;
  char check[32];    ///< which check failed: "value", "memory", ...
  SampleId current;  ///< at work
  bool has_worst;
  SampleId worst;  ///< with the largest error over bound
  char message[2048];

  /// Failed samples of a check that keeps going.
  struct Failure {
    char check[32];
    char reason[512];
    SampleId sample;
  };
  static constexpr size_t kMostFailures = 64;
  Failure failures[kMostFailures];
  size_t failure_count;

  void fail(const std::string& which_check, const std::string& text);
  /// Puts the failure aside, to go on with the next sample. False: no room for another after this one.
  bool keep_failure();
  /// The end of a check that kept going: the first failure is the verdict's.
  void fail_as_kept();
};

/// Copies text into a fixed buffer, cut to fit.
void copy_text(char* to, size_t size, const std::string& from);

/// A variant that was asked for.
struct Selected {
  const Kernel* kernel;
  const Variant* variant;
};
/// Those that match the options' globs, of kernels with an exhaustive mode if `only_unary`. Throws InputError for none.
std::vector<Selected> select(const CheckOptions& options, bool only_unary);

/// Not-runnable with its reason, or failed until a child says otherwise.
Verdict new_verdict(const Variant& variant, uint64_t seed, const Cpu& cpu);

/// 0: one for each logical CPU.
unsigned job_count(unsigned asked);

/// A child at work and what is known of it.
struct Job {
  Job(size_t result_index, const std::function<void(SampleLog&)>& work);

  /// True once there is a verdict: the child has ended, or no sample finished in `timeout` seconds of its CPU time or in
  /// 20 times as many by the clock.
  bool poll(double timeout, Verdict& verdict);
  /// Polls until then.
  void wait(double timeout, Verdict& verdict);

  size_t index;
  SharedMemory memory;
  SampleLog& progress;
  Child child;
  uint64_t last_samples = 0;
  double last_cpu = 0;
  std::chrono::steady_clock::time_point last_sign = std::chrono::steady_clock::now();
};

}  // namespace assay
