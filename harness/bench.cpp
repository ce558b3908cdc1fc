#include "harness/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/error.h"

namespace assay {
namespace {

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 != 0) {
    return *middle;
  }
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

// A noisy run shows nothing to be clear of anything: its fastest median is then still the best guess, and a simpler ISA
// may cost this much of it, no more.
constexpr double kMostLossForSimplicity = 1.02;

void set_limit(ShapeTimings& shape, const Peak& peak, const CacheInfo& caches) {
  const double compute = shape.work.ops / (shape.work.integer_ops ? peak.int8_ops : peak.f32_flops) * 1e9;
  const auto level = shape.shape_class.cold ? peak.levels.back() : peak.level_of(shape.work.bytes, caches);
  const double memory = shape.work.bytes / level.bytes_per_second * 1e9;
  shape.limit_ns = std::max(compute, memory);
  shape.limit = compute > memory ? (shape.work.integer_ops ? "int8 peak" : "f32 peak") : level.name + " bandwidth";
}

}  // namespace

const Timing* ShapeTimings::find(std::string_view variant) const {
  const auto it = std::ranges::find(timings, variant, &Timing::variant);
  return it == timings.end() ? nullptr : &*it;
}

double ShapeTimings::control_ratio() const {
  const Timing* same = find(control.variant);
  if (same == nullptr || control.median_ns <= 0 || same->median_ns <= 0) {
    return 1;
  }
  const double ratio = control.median_ns / same->median_ns;
  return std::max(ratio, 1 / ratio);
}

void summarise(Timing& timing) {
  if (timing.samples_ns.empty()) {
    return;
  }
  timing.median_ns = median_of(timing.samples_ns);
  constexpr size_t kResamples = 1000;
  Rng rng(42);
  std::vector<double> medians(kResamples);
  std::vector<double> resample(timing.samples_ns.size());
  for (double& m : medians) {
    for (double& r : resample) {
      r = timing.samples_ns[rng.below(timing.samples_ns.size())];
    }
    m = median_of(resample);
  }
  std::ranges::sort(medians);
  timing.low_ns = medians[kResamples * 25 / 1000];
  timing.high_ns = medians[kResamples * 975 / 1000];
}

void decide(ShapeTimings& shape) {
  if (shape.timings.empty()) {
    return;
  }
  const auto fastest = std::ranges::min_element(shape.timings, {}, &Timing::median_ns);
  const Timing* runner_up = nullptr;
  const Timing* winner = nullptr;
  for (const auto& t : shape.timings) {  // registry order: the simpler ISA first
    if (&t != &*fastest && (runner_up == nullptr || t.median_ns < runner_up->median_ns)) {
      runner_up = &t;
    }
    const double ratio = t.median_ns / fastest->median_ns;
    const bool clear = fastest->high_ns < t.low_ns && ratio > shape.control_ratio();
    if (winner == nullptr && (&t == &*fastest || (!clear && ratio <= kMostLossForSimplicity))) {
      winner = &t;
    }
    shape.tie = shape.tie || (&t != &*fastest && !clear);
  }
  shape.winner = winner->variant;
  shape.runner_up = runner_up == nullptr ? "" : runner_up->variant;
  if (winner != &*fastest) {
    shape.runner_up = fastest->variant;
  }
}

ShapeTimings time_shape(const Kernel& kernel, [[maybe_unused]] const std::vector<const Variant*>& variants,
                        const ShapeClass& shape_class, [[maybe_unused]] const BenchOptions& options,
                        [[maybe_unused]] nlohmann::json& google) {
  ShapeTimings shape;
  shape.kernel = kernel.name;
  shape.shape_class = shape_class;
  shape.work = kernel.trial->work(shape_class.shape);
#ifdef ASSAY_HAS_BENCHMARK
  run_on_google_benchmark(kernel, variants, options, shape, google);
#else
  throw MachineError(
      "this build has no Google Benchmark (the static preset leaves it out): build the preset `release` to time");
#endif
  for (auto& t : shape.timings) {
    summarise(t);
  }
  summarise(shape.control);
  decide(shape);
  return shape;
}

std::vector<const Variant*> passing_variants(const Kernel& kernel, const std::vector<Verdict>& verdicts,
                                             const std::string& variant_glob) {
  std::vector<const Variant*> variants;
  for (const auto& variant : kernel.variants) {
    const bool passed = std::ranges::any_of(verdicts, [&](const Verdict& v) {
      return v.status == Status::pass && v.kernel == variant.kernel && v.variant == variant.label();
    });
    if (passed && glob_match(variant_glob, variant)) {
      variants.push_back(&variant);
    }
  }
  return variants;
}

BenchResult bench(const Cpu& cpu, const std::vector<Verdict>& verdicts, const BenchOptions& options) {
  BenchResult result;
  result.peak = measure_peak(cpu);
  for (const auto& kernel : kernels()) {
    if (!glob_match(options.kernel_glob, kernel.name)) {
      continue;
    }
    const auto variants = passing_variants(kernel, verdicts, options.variant_glob);
    if (variants.empty()) {
      continue;
    }
    for (const auto& shape_class : timed_classes(*kernel.trial, cpu.caches)) {
      const Work work = kernel.trial->work(shape_class.shape);
      const bool fits = work.bytes <= static_cast<double>(std::max(cpu.caches.l2, size_t{2} << 20));
      if (options.quick && (shape_class.cold || !fits)) {
        continue;
      }
      ShapeTimings shape = time_shape(kernel, variants, shape_class, options, result.google);
      if (shape.timings.empty()) {
        continue;  // the filter left nothing
      }
      set_limit(shape, result.peak, cpu.caches);
      if (options.on_timings) {
        options.on_timings(shape);
      }
      result.shapes.push_back(std::move(shape));
    }
  }
  if (result.shapes.empty()) {
    throw InputError(fmt::format(
        "nothing to time: no variant with a passing verdict matches --kernel '{}' --variant '{}' --filter '{}'",
        options.kernel_glob, options.variant_glob, options.filter));
  }
  return result;
}

nlohmann::json to_json(const ShapeTimings& s) {
  auto timings = nlohmann::json::array();
  for (const auto& t : s.timings) {
    timings.push_back({{"variant", t.variant},
                       {"median_ns", t.median_ns},
                       {"low_ns", t.low_ns},
                       {"high_ns", t.high_ns},
                       {"samples_ns", t.samples_ns},
                       {"generation_ns", t.generation_ns},
                       {"share_of_limit", s.limit_ns / t.median_ns}});
  }
  return {
      {"kernel", s.kernel},
      {"class", s.shape_class.label},
      {"shape", s.shape_class.shape},
      {"cold", s.shape_class.cold},
      {"ops", s.work.ops},
      {"bytes", s.work.bytes},
      {"limit", s.limit},
      {"limit_ns", s.limit_ns},
      {"timings", timings},
      {"control", {{"variant", s.control.variant}, {"median_ns", s.control.median_ns}, {"ratio", s.control_ratio()}}},
      {"winner", s.winner},
      {"runner_up", s.runner_up},
      {"tie", s.tie}};
}

}  // namespace assay
