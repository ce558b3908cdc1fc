#include "harness/check/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "harness/check/checked_call.h"
#include "harness/check/job.h"
#include "harness/check/shrink.h"
#include "harness/check/single_step.h"
#include "harness/check/trial.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

/// Runs one case in this process. False: it failed, as progress tells.
bool run_sample(const Variant& variant, const CaseId& id, GuardedPool& pool, SampleLog& progress) {
  progress.current.set(id);
  const double worst_before = progress.errors.worst_over_bound;
  try {
    Case c(variant, id, pool, progress.errors);
    trial_of(find_kernel(variant.kernel)).run(c);
  } catch (const Mismatch& m) {
    progress.fail(m.check, m.what());
    return false;
  } catch (const MachineError& e) {
    progress.fail("machine", e.what());
    return false;
  }
  if (progress.errors.worst_over_bound > worst_before) {
    progress.has_worst = true;
    progress.worst = progress.current;
  }
  progress.samples.fetch_add(1, std::memory_order_relaxed);
  return true;
}

uint64_t hash_name(std::string_view s) {
  uint64_t h = 0xcbf29ce484222325u;  // FNV-1a: the same on every machine, unlike std::hash
  for (const char c : s) {
    h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  return h;
}

}  // namespace

std::string to_string(Status s) {
  switch (s) {
    case Status::pass:
      return "pass";
    case Status::fail:
      return "fail";
    default:
      return "not-runnable";
  }
}

nlohmann::json to_json(const Verdict& v) {
  return {{"kernel", v.kernel},
          {"variant", v.variant},
          {"status", to_string(v.status)},
          {"reason", v.reason},
          {"caught_by", v.caught_by},
          {"samples", v.samples},
          {"max_ulp", v.errors.max_ulp},
          {"worst_error_over_bound", v.errors.worst_over_bound},
          {"worst_case", v.worst},
          {"seed", v.seed},
          {"reproduce", v.reproduce},
          {"failures", v.failures}};
}

std::string command_of(const CaseId& id) { return fmt::format("assay check --case '{}'", to_string(id)); }

Summary summarize(const std::vector<Verdict>& verdicts) {
  Summary s;
  for (const auto& v : verdicts) {
    s.passed += v.status == Status::pass;
    s.failed += v.status == Status::fail;
    s.not_runnable += v.status == Status::not_runnable;
  }
  return s;
}

CaseId sample_case(const Kernel& kernel, const Variant& variant, uint64_t seed, uint64_t index) {
  CaseId id;
  id.variant = variant.name();
  // The kernel's name, not the variant's: all variants meet the same cases.
  id.seed = mix_seed(mix_seed(seed, hash_name(kernel.name)), index);
  Rng rng(mix_seed(id.seed, 1));
  id.shape = trial_of(kernel).draw_shape(rng, index);
  const auto classes = trial_of(kernel).classes();
  id.input_class = classes[rng.below(classes.size())];
  const size_t aliases = trial_of(kernel).aliases().size();
  id.alias = rng.below(2) == 0 ? 0 : rng.below(aliases);
  return id;
}

std::vector<Verdict> check(const Cpu& cpu, const CheckOptions& options) {
  const auto selected = select(options, false);
  dirty_upper_is_exact();  // found out once here, not in each child
  single_step_available();
  std::vector<Verdict> verdicts;
  std::vector<std::unique_ptr<Job>> running;
  size_t next = 0;
  while (next < selected.size() || !running.empty()) {
    while (next < selected.size() && running.size() < job_count(options.jobs)) {
      const auto& [kernel, variant] = selected[next];
      verdicts.push_back(new_verdict(*variant, options.seed, cpu));
      if (verdicts.back().status == Status::not_runnable) {
        if (options.on_verdict) {
          options.on_verdict(verdicts.back());
        }
      } else {
        running.push_back(std::make_unique<Job>(next, [&](SampleLog& progress) {
          GuardedPool pool;
          const auto begin = Clock::now();
          for (uint64_t i = 0;; ++i) {
            if (options.seconds > 0 ? std::chrono::duration<double>(Clock::now() - begin).count() >= options.seconds
                                    : i >= options.samples) {
              break;
            }
            if (!run_sample(*variant, sample_case(*kernel, *variant, options.seed, i * options.stride), pool,
                            progress) &&
                (!options.keep_going || !progress.keep_failure())) {
              break;
            }
          }
          progress.fail_as_kept();
        }));
      }
      ++next;
    }
    std::erase_if(running, [&](const std::unique_ptr<Job>& job) {
      if (!job->poll(options.timeout, verdicts[job->index])) {
        return false;
      }
      if (options.shrink) {
        shrink_failure(cpu, verdicts[job->index]);
      }
      if (options.on_verdict) {
        options.on_verdict(verdicts[job->index]);
      }
      return true;
    });
    if (!running.empty()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return verdicts;
}

Verdict check_case(const Cpu& cpu, const CaseId& id, double timeout) {
  const Variant& variant = find_variant(id.variant);
  Verdict verdict = new_verdict(variant, id.seed, cpu);
  if (verdict.status == Status::not_runnable) {
    return verdict;
  }
  Job job(0, [&](SampleLog& progress) {
    GuardedPool pool;
    run_sample(variant, id, pool, progress);
  });
  constexpr double kLargeTimeout = 300;
  job.wait(is_large(id.shape) ? std::max(timeout, kLargeTimeout) : timeout, verdict);
  return verdict;
}

namespace {

class ProgressReporter : public SampleReporter {
 public:
  explicit ProgressReporter(SampleLog& progress) : progress_(progress) {}
  void begin(const std::string& reproduce) override { progress_.current.set(reproduce); }
  void done(double error_over_bound) override {
    if (error_over_bound > progress_.errors.worst_over_bound) {
      progress_.errors.worst_over_bound = error_over_bound;
      progress_.has_worst = true;
      progress_.worst = progress_.current;
    }
    progress_.samples.fetch_add(1, std::memory_order_relaxed);
  }
  void fail(const std::string& message) override { progress_.fail("value", message); }

 private:
  SampleLog& progress_;
};

}  // namespace

Verdict run_in_child(const std::string& kernel, const std::string& variant, double timeout,
                     const std::function<void(SampleReporter&)>& work) {
  Verdict verdict;
  verdict.kernel = kernel;
  verdict.variant = variant;
  Job job(0, [&](SampleLog& progress) {
    ProgressReporter reporter(progress);
    work(reporter);
  });
  job.wait(timeout, verdict);
  return verdict;
}

}  // namespace assay
