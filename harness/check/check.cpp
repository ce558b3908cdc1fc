#include "harness/check/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "harness/check/checked_call.h"
#include "harness/check/fuzzed_case.h"
#include "harness/check/job.h"
#include "harness/check/shrink.h"
#include "harness/check/single_step.h"
#include "harness/check/trial.h"
#include "harness/runtime/child.h"
#include "harness/runtime/error.h"
#include "harness/runtime/plugin.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

/// Runs one case in this process. False: it failed, as the log tells.
bool run_sample(const Variant& variant, const CaseId& id, GuardedPool& pool, SampleLog& log) {
  log.begin(id);
  try {
    FuzzedCase c(variant, id, pool);
    trial_of(find_kernel(variant.kernel)).run(c);
    log.done(c.errors());
    return true;
  } catch (const Mismatch& m) {
    log.fail(m.check, m.what());
  } catch (const MachineError& e) {
    log.fail(kMachine, e.what());
  }
  return false;
}

/// All samples that the options ask for, in this process.
void run_samples(const Kernel& kernel, const Variant& variant, const CheckOptions& options, SampleLog& log) {
  GuardedPool pool;
  if (!options.shapes.empty()) {
    for (const Shape& shape : options.shapes.at(variant.name())) {
      if (!run_sample(variant, shape_case(variant, options.seed, shape), pool, log)) {
        break;
      }
    }
    return;
  }
  const auto begin = Clock::now();
  const auto more = [&](uint64_t i) {
    return options.seconds > 0 ? std::chrono::duration<double>(Clock::now() - begin).count() < options.seconds
                               : i < *options.samples;
  };
  for (uint64_t i = 0; more(i); ++i) {
    const bool good = run_sample(variant, sample_case(kernel, variant, options.seed, i * options.stride), pool, log);
    if (!good && (!options.keep_going || !log.keep_failure())) {
      break;
    }
  }
  log.fail_as_kept();
}

/// The variant, its claim without one of what it claims.
Variant with_less_claimed(const Variant& variant, const std::string& item) {
  auto foreign = std::make_shared<Foreign>(*variant.foreign);
  foreign->claim = foreign->claim->without(item);
  Variant strict = variant;
  strict.foreign = std::move(foreign);
  return strict;
}

/// Finds what the verdict's variant claims and need not: it is tried once more without each.
void find_needless_claims(const Kernel& kernel, const Variant& variant, const CheckOptions& options, Verdict& verdict) {
  if (verdict.status != Status::claimed || !options.shapes.empty()) {
    return;
  }
  constexpr double kMostNeedless = 3;  // seconds without a sample: without what it claims it may well hang
  const auto& claimed = verdict.claim->because;
  const auto of_errors =
      std::ranges::count_if(claimed, [&](const auto& one) { return Claim::is_of_errors(one.first); });
  for (const auto& [item, reason] : claimed) {
    // Where the errors tell, nothing need be tried.
    if (Claim::is_of_errors(item) && (verdict.errors.worst_over_bound <= 1 || of_errors == 1)) {
      if (verdict.errors.worst_over_bound <= 1) {
        verdict.needless.push_back(item);
      }
      continue;
    }
    const Variant strict = with_less_claimed(variant, item);
    Job job([&](SampleLog& log) { run_samples(kernel, strict, options, log); });
    job.wait(std::min(options.timeout, kMostNeedless));
    if (job.log().failure() == nullptr && job.log().samples() != 0) {
      verdict.needless.push_back(item);
    }
  }
}

/// Takes from the shapes that were asked for those that no variant of a claim has to take.
void leave_out_unclaimed(CheckOptions& options) {
  for (auto& [name, shapes] : options.shapes) {
    const Variant& variant = find_variant(name);
    if (const Claim* claim = claim_of(variant); claim != nullptr) {
      const Kernel& kernel = find_kernel(variant.kernel);
      std::erase_if(shapes, [&](const Shape& shape) { return !claim->allows(kernel, shape); });
    }
  }
}

/// The shape that the claim is for and that is nearest to `shape`: as Claim::fit has it, or by a few of its steps less or more what the
/// contract allows.
Shape claimed_shape(const Kernel& kernel, const Claim& claim, const Shape& shape) {
  Shape near = claim.fit(kernel, shape);
  constexpr size_t kMostSteps = 512;
  const auto dims = kernel.dims();
  for (size_t d = 0; d < dims.size() && !is_allowed(kernel, near); ++d) {
    const auto unit = claim.multiple_of.find(dims[d]);
    const size_t step = unit == claim.multiple_of.end() ? 1 : unit->second;
    for (size_t i = 1; i < kMostSteps; ++i) {
      for (const bool less : {true, false}) {
        Shape other = near;
        if (less && near[d] < i * step) {
          continue;
        }
        other[d] = less ? near[d] - i * step : near[d] + i * step;
        if (claim.allows(kernel, other) && is_allowed(kernel, other)) {
          return other;
        }
      }
    }
  }
  return near;
}

/// Throws InputError for a claim about classes of inputs that the kernel has not, or about all.
void validate_claim(const Kernel& kernel, const Variant& variant) {
  const Claim* claim = claim_of(variant);
  if (claim == nullptr) {
    return;
  }
  std::vector<std::string> others = {kCodeOfMinus128};
  for (const InputClass c : all_input_classes()) {
    if (c != InputClass::normal) {
      others.push_back(to_string(c));
    }
  }
  for (const auto& name : claim->exclude) {
    if (std::ranges::count(others, name) == 0) {
      throw InputError(fmt::format("{}: {}: its claim excludes inputs of the class '{}'; those that can be: {}",
                                   variant.foreign->library->given, variant.name(), name, fmt::join(others, ", ")));
    }
  }
  const Shape least = claimed_shape(kernel, *claim, Shape(kernel.dims().size(), 1));
  constexpr double kMostWork = 0x1p24;  // of the least shape: there are thousands to be tried
  if (!claim->allows(kernel, least) || !is_allowed(kernel, least)) {
    throw InputError(fmt::format("{}: {}: no size that the contract allows is what its claim says",
                                 variant.foreign->library->given, variant.name()));
  }
  if (work_of(least) > kMostWork) {
    throw InputError(fmt::format("{}: {}: its claim leaves no shape small enough to be tried: the least is {}",
                                 variant.foreign->library->given, variant.name(), kernel.text_of(least)));
  }
}

/// Seconds without a finished sample that count as a hang: the given ones, and what the slowest code needs for several calls at the
/// largest shape that was asked for.
double timeout_for(const Kernel& kernel, const Variant& variant, const CheckOptions& options) {
  constexpr double kSlowest = 5e7;  // operations a second, of x87 code in a sample of a dozen calls
  double most = 0;
  if (!options.shapes.empty()) {
    for (const Shape& shape : options.shapes.at(variant.name())) {
      most = std::max(most, trial_of(kernel).work(shape).ops);
    }
  }
  return options.timeout + most / kSlowest;
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
    case Status::claimed:
      return "claimed";
    case Status::fail:
      return "fail";
    default:
      return "not-runnable";
  }
}

std::string text_of_claim(const Verdict& v) {
  if (v.claim == nullptr) {
    return "";
  }
  const Claim& c = *v.claim;
  std::vector<std::string> all;
  for (const auto& [item, reason] : c.because) {
    const bool needless = std::ranges::count(v.needless, item) != 0;
    all.push_back(fmt::format("{} (because: {}{})", c.text_of(item, v.errors.worst_over_claim), reason,
                              needless ? "; needless: it keeps the contract there" : ""));
  }
  return fmt::format("{}", fmt::join(all, "; "));
}

nlohmann::json to_json(const Verdict& v) {
  auto claim = nlohmann::json::object();
  if (v.claim != nullptr) {
    claim = {{"text", text_of_claim(v)},
             {"worst_error_over_claim", v.errors.worst_over_claim},
             {"because", v.claim->because},
             {"needless", v.needless}};
  }
  return {{"kernel", v.kernel},
          {"variant", v.variant},
          {"status", to_string(v.status)},
          {"reason", v.reason},
          {"caught_by", v.caught_by},
          {"samples", v.samples},
          {"max_ulp", v.errors.max_ulp},
          {"worst_error_over_bound", v.errors.worst_over_bound},
          {"bound_bins", v.errors.bound_bins},
          {"ulp_bins", v.errors.ulp_bins},
          {"worst_case", v.worst},
          {"seed", v.seed},
          {"reproduce", v.reproduce},
          {"claim", claim},
          {"failures", v.failures}};
}

std::string command_of(const CaseId& id) {
  const Variant& variant = find_variant(id.variant);
  return fmt::format("assay check {}--case '{}'",
                     variant.foreign ? fmt::format("--plugin {} ", shell_word(variant.foreign->library->given)) : "",
                     to_string(id));
}

Summary summarize(const std::vector<Verdict>& verdicts) {
  Summary s;
  for (const auto& v : verdicts) {
    s.passed += v.status == Status::pass;
    s.claimed += v.status == Status::claimed;
    s.failed += v.status == Status::fail;
    s.not_runnable += v.status == Status::not_runnable;
  }
  return s;
}

CaseId shape_case(const Variant& variant, uint64_t seed, const Shape& shape) {
  CaseId id;
  id.variant = variant.name();
  id.shape = shape;
  id.seed = mix_seed(seed, hash_name(variant.kernel));
  for (const size_t size : shape) {
    id.seed = mix_seed(id.seed, size);
  }
  return id;
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
  // Samples of a model's size are few: most of them are to show whatever is wrong.
  constexpr double kLargeWork = 0x1p20;
  if (work_of(id.shape) >= kLargeWork && rng.below(4) != 0) {
    id.input_class = InputClass::normal;
  }
  id.input_class = trial_of(kernel).class_for(index, id.shape).value_or(id.input_class);
  const size_t aliases = trial_of(kernel).aliases().size();
  id.alias = rng.below(2) == 0 ? 0 : rng.below(aliases);
  if (const Claim* claim = claim_of(variant); claim != nullptr) {
    id.shape = claimed_shape(kernel, *claim, id.shape);
    id.input_class = claim->exclude.contains(to_string(id.input_class)) ? InputClass::normal : id.input_class;
    id.alias = claim->alias ? id.alias : 0;
  }
  return id;
}

std::vector<Verdict> check(const Cpu& cpu, const CheckOptions& asked) {
  const auto selected = select(asked, false);
  CheckOptions options = asked;
  leave_out_unclaimed(options);
  for (const auto& [kernel, variant] : selected) {
    validate_claim(*kernel, *variant);
  }
  options.samples = asked.samples.value_or(selected.size() > 200 ? 600 : 2000);
  dirty_upper_is_exact();  // found out once here, not in each child
  single_step_available();
  const unsigned jobs = job_count(options.jobs);
  struct Running {
    size_t index;  ///< of its verdict
    std::unique_ptr<Job> job;
    double timeout;
  };
  std::vector<Verdict> verdicts;
  std::vector<Running> running;
  const auto tell = [&](const Verdict& verdict) {
    if (options.on_verdict) {
      options.on_verdict(verdict);
    }
  };
  while (verdicts.size() < selected.size() || !running.empty()) {
    while (verdicts.size() < selected.size() && running.size() < jobs) {
      const auto& [kernel, variant] = selected[verdicts.size()];
      Verdict verdict = new_verdict(*variant, options.seed, cpu);
      verdict.claim_accepted = options.accept_claims;
      if (verdict.status != Status::not_runnable && !options.shapes.empty() &&
          options.shapes.at(variant->name()).empty()) {
        verdict.status = Status::not_runnable;
        verdict.reason = "its claim leaves out all of the shapes that were asked for";
      }
      if (verdict.status == Status::not_runnable) {
        tell(verdict);
      } else {
        try {
          running.push_back({verdicts.size(), std::make_unique<Job>([&](SampleLog& log) {
                               run_samples(*kernel, *variant, options, log);
                             }),
                             timeout_for(*kernel, *variant, options)});
        } catch (const MachineError&) {
          if (running.empty()) {
            throw;
          }
          break;  // no more at once than the system gives
        }
      }
      verdicts.push_back(std::move(verdict));
    }
    std::erase_if(running, [&](const Running& r) {
      if (!r.job->poll(r.timeout)) {
        return false;
      }
      Verdict& verdict = verdicts[r.index];
      add_log(verdict, r.job->log());
      conclude(verdict);
      if ((verdict.status == Status::pass || verdict.status == Status::claimed) && !options.shapes.empty()) {
        verdict.shapes = options.shapes.at(verdict.kernel + "/" + verdict.variant);
      }
      if (options.shrink) {
        shrink_failure(cpu, verdict);
      }
      find_needless_claims(*selected[r.index].kernel, *selected[r.index].variant, options, verdict);
      tell(verdict);
      return true;
    });
    if (!running.empty()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return verdicts;
}

bool is_left_out(const CaseId& id) {
  const Variant& variant = find_variant(id.variant);
  const Claim* claim = claim_of(variant);
  return claim != nullptr && (!claim->allows(find_kernel(variant.kernel), id.shape) ||
                              claim->exclude.contains(to_string(id.input_class)) || (id.alias != 0 && !claim->alias));
}

Verdict check_case(const Cpu& cpu, const CaseId& id, double timeout) {
  const Variant& variant = find_variant(id.variant);
  const Kernel& kernel = find_kernel(variant.kernel);
  validate_claim(kernel, variant);
  if (is_left_out(id)) {
    throw InputError(fmt::format("{}: the variant's claim leaves this case out", to_string(id)));
  }
  Verdict verdict = new_verdict(variant, id.seed, cpu);
  if (verdict.status == Status::not_runnable) {
    return verdict;
  }
  Job job([&](SampleLog& log) {
    GuardedPool pool;
    run_sample(variant, id, pool, log);
  });
  constexpr double kLargeTimeout = 300;
  job.wait(is_large(id.shape) ? std::max(timeout, kLargeTimeout) : timeout);
  add_log(verdict, job.log());
  conclude(verdict);
  return verdict;
}

std::string elements_of(const CaseId& id) {
  constexpr size_t kMost = 4096;
  constexpr double kSeconds = 10;
  const SharedMemory memory(kMost);
  auto* text = static_cast<char*>(memory.get());
  Child child([&] {
    contain_kernels();
    GuardedPool pool;
    const FuzzedCase c(find_variant(id.variant), id, pool);
    std::vector<Element> elements;
    try {
      elements = c.elements();
    } catch (const std::exception&) {
      return;  // it is not a value that is wrong
    }
    size_t name = 0, got = 3;
    for (const Element& e : elements) {
      name = std::max(name, e.name.size());
      got = std::max(got, e.got.size());
    }
    std::string all;
    if (std::ranges::any_of(elements, &Element::wrong)) {
      all = fmt::format("{:>{}}   {:>{}}   {}\n", "", name, "got", got, "wanted");
      for (const Element& e : elements) {
        all += fmt::format("{:>{}}   {:>{}}   {}{}\n", e.name, name, e.got, got, e.want, e.wrong ? "   <-- wrong" : "");
      }
    }
    std::memcpy(text, all.data(), std::min(all.size(), kMost - 1));
  });
  return child.wait_for(kSeconds) && child.end().empty() ? text : "";
}

Verdict run_in_child(const std::string& kernel, const std::string& variant, double timeout,
                     const std::function<void(SampleLog&)>& work) {
  Verdict verdict;
  verdict.kernel = kernel;
  verdict.variant = variant;
  Job job(work);
  job.wait(timeout);
  add_log(verdict, job.log());
  conclude(verdict);
  return verdict;
}

}  // namespace assay
