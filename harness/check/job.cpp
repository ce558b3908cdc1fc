#include "harness/check/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "harness/check/crash.h"
#include "harness/check/trial.h"
#include "harness/runtime/error.h"

namespace assay {

void copy_text(char* to, size_t size, const std::string& from) {
  const size_t n = std::min(size - 1, from.size());
  std::memcpy(to, from.data(), n);
  to[n] = '\0';
}

void SampleLog::fail(const std::string& which_check, const std::string& text) {
  copy_text(check, sizeof check, which_check);
  copy_text(message, sizeof message, text);
  failed = true;
}

bool SampleLog::keep_failure() {
  Failure& f = failures[failure_count++];
  copy_text(f.check, sizeof f.check, check);
  copy_text(f.reason, sizeof f.reason, message);
  copy_text(f.reproduce, sizeof f.reproduce, current);
  failed = false;
  return failure_count < kMostFailures;
}

void SampleLog::fail_as_kept() {
  if (failure_count > 0) {
    fail(failures[0].check, failures[0].reason);
    copy_text(current, sizeof current, failures[0].reproduce);
  }
}

std::vector<Selected> select(const CheckOptions& options, bool only_unary) {
  std::vector<Selected> selected;
  for (const auto& kernel : kernels()) {
    if (!glob_match(options.kernel_glob, kernel.name) ||
        (only_unary && trial_of(kernel).unary_reference() == nullptr)) {
      continue;
    }
    for (const auto& variant : kernel.variants) {
      if (glob_match(options.variant_glob, variant)) {
        selected.push_back({&kernel, &variant});
      }
    }
  }
  if (selected.empty()) {
    throw InputError(fmt::format("no variant matches --kernel '{}' --variant '{}'{}; `assay list` shows them all",
                                 options.kernel_glob, options.variant_glob,
                                 only_unary ? " with an exhaustive mode" : ""));
  }
  return selected;
}

Verdict new_verdict(const Variant& variant, uint64_t seed, const Cpu& cpu) {
  Verdict v;
  v.kernel = variant.kernel;
  v.variant = variant.label();
  v.seed = seed;
  const IsaStatus status = isa_status(cpu, variant.isa);
  if (!status.runnable) {
    v.reason = status.reason;
  } else {
    v.status = Status::fail;  // until a child says otherwise
  }
  return v;
}

unsigned job_count(unsigned asked) { return asked != 0 ? asked : std::max(1u, std::thread::hardware_concurrency()); }

Job::Job(size_t result_index, const std::function<void(SampleLog&)>& work)
    : index(result_index), memory(sizeof(SampleLog)), progress(*static_cast<SampleLog*>(memory.get())), child([&] {
        report_crashes_to(progress);
        work(progress);
      }) {}

bool Job::poll(double timeout, Verdict& verdict) {
  const uint64_t samples = progress.samples.load(std::memory_order_relaxed);
  std::string problem;
  std::string caught_by;
  if (child.poll()) {
    problem = progress.failed ? progress.message : child.end();
    caught_by = progress.failed ? progress.check : problem.empty() ? "" : "crash";
  } else {
    const auto now = std::chrono::steady_clock::now();
    const double cpu = child.cpu_seconds();
    if (samples != last_samples) {
      last_samples = samples;
      last_sign = now;
      last_cpu = cpu;
      return false;
    }
    // In time of its own: on a busy machine a child may wait for a processor for longer than the limit. One that sleeps
    // for good uses none, hence the second limit.
    constexpr double kIdleLimits = 20;
    const double idle = std::chrono::duration<double>(now - last_sign).count();
    if (cpu - last_cpu < timeout && idle < kIdleLimits * timeout) {
      return false;
    }
    child.kill();
    problem = fmt::format("hang: no sample finished within {} s", timeout);
    caught_by = "hang";
  }
  verdict.samples = progress.samples;
  verdict.errors = progress.errors;
  verdict.worst_case = progress.worst;
  for (size_t i = 0; i < progress.failure_count; ++i) {
    verdict.failures.emplace_back(progress.failures[i].reason);
  }
  if (problem.empty() && verdict.samples == 0) {
    problem = "no sample was run";  // nothing run is never a pass
    caught_by = "no-sample";
  }
  verdict.status = problem.empty() ? Status::pass : Status::fail;
  if (!problem.empty()) {
    verdict.reason = problem;
    verdict.caught_by = caught_by;
    verdict.reproduce = progress.current;
  }
  return true;
}

void Job::wait(double timeout, Verdict& verdict) {
  while (!poll(timeout, verdict)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace assay
