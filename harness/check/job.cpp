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

void SampleId::set(const CaseId& id) {
  if (id.shape.size() > kMostSizes) {
    throw MachineError(fmt::format("{}: a case of {} sizes; a log holds {}", id.variant, id.shape.size(), kMostSizes));
  }
  is_case_ = true;
  copy_text(text_, sizeof text_, id.variant);
  std::ranges::copy(id.shape, sizes_);
  size_count_ = id.shape.size();
  input_class_ = id.input_class;
  alias_ = id.alias;
  seed_ = id.seed;
  place_ = id.place;
  keep_from_ = id.keep_from;
  keep_to_ = id.keep_to;
  small_integers_ = id.small_integers;
}

void SampleId::set(const std::string& command) {
  is_case_ = false;
  copy_text(text_, sizeof text_, command);
}

std::optional<CaseId> SampleId::to_case() const {
  if (!is_case_) {
    return std::nullopt;
  }
  return CaseId{
      text_,          Shape(sizes_, sizes_ + size_count_), input_class_, alias_, seed_, place_, keep_from_, keep_to_,
      small_integers_};
}

std::string SampleId::command() const { return is_case_ ? command_of(*to_case()) : text_; }

void SampleLog::fail(const std::string& which_check, const std::string& text) {
  copy_text(check, sizeof check, which_check);
  copy_text(message, sizeof message, text);
  failed = true;
}

bool SampleLog::keep_failure() {
  Failure& f = failures[failure_count++];
  copy_text(f.check, sizeof f.check, check);
  copy_text(f.reason, sizeof f.reason, message);
  f.sample = current;
  failed = false;
  return failure_count < kMostFailures;
}

void SampleLog::fail_as_kept() {
  if (failure_count > 0) {
    fail(failures[0].check, failures[0].reason);
    current = failures[0].sample;
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
  if (progress.has_worst) {
    verdict.worst_case = progress.worst.to_case();
    verdict.worst = verdict.worst_case ? to_string(*verdict.worst_case) : progress.worst.command();
  }
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
    verdict.failing_case = progress.current.to_case();
    verdict.reproduce = progress.current.command();
  }
  return true;
}

void Job::wait(double timeout, Verdict& verdict) {
  while (!poll(timeout, verdict)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace assay
