#include "harness/check/job.h"

#include <fmt/format.h>
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <new>
#include <system_error>
#include <thread>

#include "harness/check/crash.h"
#include "harness/check/trial.h"
#include "harness/runtime/error.h"
#include "harness/runtime/jit_code.h"
#include "harness/runtime/usable_cpus.h"

namespace assay {

std::vector<Selected> select(const CheckOptions& options, bool only_unary) {
  std::vector<Selected> selected;
  for (const auto& kernel : kernels()) {
    if (!glob_match(options.kernel_glob, kernel.name) ||
        (only_unary && trial_of(kernel).unary_reference() == nullptr)) {
      continue;
    }
    for (const auto& variant : kernel.variants) {
      if (glob_match(options.variant_glob, variant) &&
          (options.shapes.empty() || options.shapes.contains(variant.name()))) {
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
  v.claim = claim_of(variant);
  v.seed = seed;
  const IsaStatus status = isa_status(cpu, variant.isa);
  if (!status.runnable) {
    v.reason = status.reason;
  } else {
    v.status = Status::fail;  // until a child says otherwise
  }
  return v;
}

unsigned job_count(unsigned asked) { return asked != 0 ? asked : usable_cpus(); }

void contain_kernels() {
  // At once: then each time is a system call, which single steps see.
  dup2(STDERR_FILENO, STDOUT_FILENO);
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  pthread_atfork(nullptr, nullptr, [] { _exit(1); });  // both would go on with the check
}

namespace {

/// Samples take and free the same megabytes over and over: given back to the system, each page of them would be a fault again.
void keep_freed_memory() {
  constexpr int kKept = 256 << 20;  // bytes
  mallopt(M_MMAP_THRESHOLD, kKept);
  mallopt(M_TRIM_THRESHOLD, kKept);
}

/// What the system refuses while a sample is at work is not the variant's doing.
void blame_the_machine(std::span<SampleLog> logs, const std::function<void(std::span<SampleLog>)>& work) {
  std::string why;
  try {
    work(logs);
    return;
  } catch (const std::bad_alloc&) {
    why = "out of memory";
  } catch (const std::system_error& e) {
    why = fmt::format("the system refuses: {}", e.what());
  } catch (const MachineError& e) {
    why = e.what();
  }
  SampleLog::of_this_process->fail(kMachine, why);
}

}  // namespace

Job::Job(const std::function<void(SampleLog&)>& work) : Job(1, [&](std::span<SampleLog> logs) { work(logs[0]); }) {}

Job::Job(size_t logs, const std::function<void(std::span<SampleLog>)>& work)
    : memory_(logs * sizeof(SampleLog)), logs_(static_cast<SampleLog*>(memory_.get()), logs), child_([&] {
        keep_freed_memory();
        contain_kernels();
        SampleLog::of_this_process = logs_.data();
        report_crashes();
        note_mappings();
        blame_the_machine(logs_, work);
        logs_.front().end();
      }) {}

uint64_t Job::samples() const {
  uint64_t sum = 0;
  for (const SampleLog& log : logs_) {
    sum += log.samples();
  }
  return sum;
}

SampleLog& Job::log_at_work() const {
  const auto it = std::ranges::find_if(logs_, &SampleLog::at_work);
  return it == logs_.end() ? logs_.front() : *it;
}

bool Job::poll(double timeout) {
  if (ended_) {
    return true;
  }
  if (child_.poll()) {
    ended_ = true;
    SampleLog& log = log_at_work();
    if (const std::string why = child_.ended_by_system(); !why.empty()) {
      log.fail(kMachine, why);
    } else if (!child_.end().empty()) {
      log.fail("crash", child_.end());  // unless it has said more itself
    } else if (!logs_.front().ended()) {
      log.fail("crash", fmt::format("the process was ended {} sample: exit status 0",
                                    log.at_work() ? "in the midst of a" : "before its last"));
    }
    return true;
  }
  const auto now = std::chrono::steady_clock::now();
  const double cpu = child_.cpu_seconds();
  if (const uint64_t finished = samples(); finished != last_samples_) {
    last_samples_ = finished;
    last_sign_ = now;
    last_cpu_ = cpu;
    return false;
  }
  // In time of its own: on a busy machine a child may wait for a processor for longer than the limit. One that sleeps uses
  // none: it is watched for a second, as it may sleep for a moment.
  constexpr double kIdleLimits = 20;
  constexpr double kWatched = 1;
  const auto seconds_since = [&](auto then) { return std::chrono::duration<double>(now - then).count(); };
  const double idle = seconds_since(last_sign_);
  if (idle < timeout) {
    return false;
  }
  if (cpu != awake_cpu_ || !child_.asleep()) {
    awake_cpu_ = cpu;
    last_awake_ = now;
  }
  if (cpu - last_cpu_ < timeout && idle < kIdleLimits * timeout && seconds_since(last_awake_) < kWatched) {
    return false;
  }
  child_.kill();
  ended_ = true;
  log_at_work().fail("hang", fmt::format("hang: no sample finished within {} s", timeout));
  return true;
}

void Job::wait(double timeout) {
  while (!poll(timeout)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void add_log(Verdict& verdict, const SampleLog& log) {
  verdict.samples += log.samples();
  verdict.threads_left_out |= log.threads_left_out();
  const bool is_worst = log.errors().worst_over_bound > verdict.errors.worst_over_bound;
  verdict.errors.add(log.errors());
  if (log.worst() != nullptr && is_worst) {
    verdict.worst_case = log.worst()->to_case();
    verdict.worst = log.worst()->text();
  }
  for (size_t i = 0; i < log.kept_count(); ++i) {
    verdict.failures.emplace_back(log.kept(i).message);
  }
  if (const SampleLog::Failure* failure = log.failure(); failure != nullptr && verdict.reason.empty()) {
    verdict.reason = failure->message;
    verdict.caught_by = failure->check;
    verdict.failing_case = failure->sample.to_case();
    verdict.reproduce = failure->sample.command();
  }
}

void conclude(Verdict& verdict) {
  if (verdict.caught_by == kMachine) {
    verdict.status = Status::not_runnable;
    verdict.failing_case.reset();
    verdict.reproduce.clear();
    return;
  }
  if (verdict.reason.empty() && verdict.samples == 0) {
    verdict.reason = "no sample was run";  // nothing run is never a pass
    verdict.caught_by = "no-sample";
  }
  verdict.status = !verdict.reason.empty() ? Status::fail : verdict.claim != nullptr ? Status::claimed : Status::pass;
}

}  // namespace assay
