#pragma once
#include <chrono>
#include <functional>
#include <span>
#include <vector>

#include "harness/check/check.h"
#include "harness/check/sample_log.h"
#include "harness/runtime/child.h"

namespace assay {

/// A variant that was asked for.
struct Selected {
  const Kernel* kernel;
  const Variant* variant;
};
/// Those that match the options' globs, of kernels with an exhaustive mode if `only_unary`. Throws InputError for none.
std::vector<Selected> select(const CheckOptions& options, bool only_unary);

/// Not-runnable with its reason, or failed until a child says otherwise.
Verdict new_verdict(const Variant& variant, uint64_t seed, const Cpu& cpu);

/// 0: one for each CPU that this process may use.
unsigned job_count(unsigned asked);

/// In a process that tries kernels, so that what they do harms nothing but their own verdicts: what they print goes to stderr, and what they
/// fork ends.
void contain_kernels();

/// A child at work and its logs: one for each variant that it tries.
class Job {
 public:
  explicit Job(const std::function<void(SampleLog&)>& work);
  Job(size_t logs, const std::function<void(std::span<SampleLog>)>& work);

  /// True once the child has ended, or was killed since no sample finished in `timeout` seconds of its CPU time, or by the
  /// clock while it sleeps, or in 20 times as many whatever it does. A crash, a hang, or an exit in the midst of a sample is then in the log at work.
  bool poll(double timeout);
  /// Polls until then.
  void wait(double timeout);

  const SampleLog& log(size_t i = 0) const { return logs_[i]; }

 private:
  uint64_t samples() const;
  SampleLog& log_at_work() const;

  SharedMemory memory_;
  std::span<SampleLog> logs_;
  Child child_;
  bool ended_ = false;
  uint64_t last_samples_ = 0;
  double last_cpu_ = 0;
  std::chrono::steady_clock::time_point last_sign_ = std::chrono::steady_clock::now();
  double awake_cpu_ = -1;  ///< its CPU time when it was last seen awake
  std::chrono::steady_clock::time_point last_awake_{};
};

/// Adds what a child says of the verdict's variant. Several children may share the work.
void add_log(Verdict& verdict, const SampleLog& log);

/// After the last log: a pass, unless something failed or nothing was run.
void conclude(Verdict& verdict);

}  // namespace assay
