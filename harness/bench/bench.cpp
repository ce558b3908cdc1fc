#include "harness/bench/bench.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <regex>

#include "harness/bench/timed_shapes.h"
#include "harness/runtime/error.h"
#include "harness/runtime/formats.h"

namespace assay {
namespace {

// A noisy run shows nothing to be clear of anything: its fastest median is then still the best guess. A simpler ISA is
// taken only where the run shows that it costs no more than this.
constexpr double kMostLossForSimplicity = 1.02;

/// The rounds of `timing` that count: the quiet ones, or all that it has if it was dropped.
std::vector<size_t> rounds_of(const ShapeTimings& shape, const Timing& timing) {
  if (timing.samples_ns.size() == shape.probe_ns.size()) {
    return shape.quiet;
  }
  std::vector<size_t> all(timing.samples_ns.size());
  std::iota(all.begin(), all.end(), size_t{0});
  return all;
}

constexpr double kNever = std::numeric_limits<double>::infinity();

/// Time of `a` over that of `b` in the quiet rounds; if one was dropped, in all that it has.
std::vector<double> ratios(const ShapeTimings& shape, const Timing& a, const Timing& b) {
  std::vector<double> r;
  for (const size_t round : rounds_of(shape, a.samples_ns.size() < b.samples_ns.size() ? a : b)) {
    r.push_back(a.samples_ns[round] / b.samples_ns[round]);
  }
  return r;
}

bool same_class(const ShapeTimings& a, const ShapeTimings& b) {
  return a.kernel == b.kernel && a.shape_class.label == b.shape_class.label;
}

/// Where the buffers take longer to make than to time, or a call takes milliseconds.
bool is_large(const Work& work) { return work.bytes() > 0x1p22 || work.ops > 0x1p27; }

/// Of what is large two fifths of the rounds are enough: a sample of it is long, and varies little.
[[maybe_unused]] int rounds_for(const ShapeTimings& shape, int rounds) {
  return is_large(shape.work) ? (2 * rounds + 4) / 5 : rounds;
}

/// Of `variants` those over `most` times the fastest; but never the last, of which the control is.
void drop_slow(std::vector<const Variant*>& variants, const ShapeTimings& shape, double most) {
  double fastest = std::numeric_limits<double>::infinity();
  for (const Timing& t : shape.timings) {
    fastest = std::min(fastest, median_of(t.samples_ns));
  }
  const Variant* last = variants.back();
  std::erase_if(variants, [&](const Variant* v) {
    const Timing* t = shape.find(v->label());
    return v != last && t != nullptr && median_of(t->samples_ns) > most * fastest;
  });
}

void set_limit(ShapeTimings& shape, const Peak& peak, const CacheInfo& caches) {
  if (!peak.not_measured.empty()) {
    shape.limit = "not measured";
    return;
  }
  const Work& work = shape.work;
  const Peak::Level& level = shape.shape_class.cold ? peak.levels.back() : peak.level_of(work.bytes(), caches);
  const double memory = level.seconds(work.read, work.written) * 1e9;
  double compute = work.ops / peak.f32.per_second * 1e9;
  std::string what = "f32 peak (" + peak.f32.instruction + ")";
  if (work.integer_ops) {
    const Peak::Rate& int8 = peak.int8_of(work.sums_in_16_bits);
    compute = work.ops / int8.per_second * 1e9;
    what = "int8 peak (" + int8.instruction + ")";
    // The faster of two ways is the limit.
    const double lookups = work.ops_per_lookup * peak.lookups.per_second;
    if (lookups > int8.per_second) {
      compute = work.ops / lookups * 1e9;
      what = "look-up peak (" + peak.lookups.instruction + ")";
    }
  }
  shape.limit_ns = std::max(compute, memory);
  shape.limit = compute > memory ? what : level.name + " bandwidth";
}

}  // namespace

void drop_hopeless(const Cpu& cpu, std::vector<TimingJob>& jobs, std::vector<Verdict>& verdicts,
                   const BenchOptions& options) {
  std::vector<TimingJob> firsts;
  for (const TimingJob& job : jobs) {
    if (firsts.empty() || firsts.back().kernel != job.kernel) {
      firsts.push_back(job);
    }
  }
  check_timed_shapes(cpu, firsts, verdicts, options);
  BenchOptions few = options;
  few.repetitions = 3;
  few.extra_rounds = 0;
  nlohmann::json google;
  for (const ShapeTimings& shape : time_shapes(firsts, few, google, nullptr)) {
    const auto first = std::ranges::find(firsts, &find_kernel(shape.kernel), &TimingJob::kernel);
    std::vector<const Variant*>& kept = first->variants;
    drop_slow(kept, shape, kHopelessEverywhere);
    for (TimingJob& job : jobs) {
      if (job.kernel == first->kernel) {
        std::erase_if(job.variants, [&](const Variant* v) { return std::ranges::find(kept, v) == kept.end(); });
        job.checked = job.shape_class.shape == first->shape_class.shape;
      }
    }
  }
}

const Timing* ShapeTimings::find(std::string_view variant) const {
  const auto it = std::ranges::find(timings, variant, &Timing::variant);
  return it == timings.end() ? nullptr : &*it;
}

const Timing& ShapeTimings::fastest() const {
  if (!reference.empty()) {
    return *find(reference);
  }
  return *std::ranges::min_element(timings, {}, [](const Timing& t) { return t.usable ? t.median_ns : kNever; });
}

double ShapeTimings::control_ratio() const {
  const Timing* same = find(control.variant);
  if (same == nullptr || control.samples_ns.empty()) {
    return 1;
  }
  const double ratio = estimate(ratios(*this, control, *same)).median;
  return std::max(ratio, 1 / ratio);
}

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 != 0) {
    return *middle;
  }
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

Estimate estimate(const std::vector<double>& values, double confidence) {
  constexpr size_t kResamples = 1000;
  Rng rng(42);
  std::vector<double> medians(kResamples);
  std::vector<double> resample(values.size());
  for (double& m : medians) {
    for (double& r : resample) {
      r = values[rng.below(values.size())];
    }
    m = median_of(resample);
  }
  std::ranges::sort(medians);
  const auto below = static_cast<size_t>(std::lround(kResamples * (1 - confidence) / 2));
  return {median_of(values), medians[below], medians[kResamples - below]};
}

double probe_machine() {
  constexpr size_t kLength = 24 << 10;  // four arrays: 384 KiB
  constexpr int kRepeats = 40;
  static std::vector<float> a(kLength, 1), b(kLength, 2), c(kLength, 3), sum(kLength);
  const auto add = [](float* to, const float* x, const float* y, const float* z) {
    for (size_t i = 0; i < kLength; ++i) {
      to[i] = x[i] + y[i] * z[i];
    }
    asm volatile("" : : "r"(to) : "memory");  // each repetition is needed
  };
  add(sum.data(), a.data(), b.data(), c.data());
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kRepeats; ++i) {
    add(sum.data(), a.data(), b.data(), c.data());
  }
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() / kRepeats;
}

size_t count_disturbed(const std::vector<double>& probe_ns) {
  if (probe_ns.empty()) {
    return 0;
  }
  constexpr double kQuiet = 1.06;
  std::vector<double> sorted = probe_ns;
  std::ranges::sort(sorted);
  const double most = kQuiet * sorted[sorted.size() / 10];
  return static_cast<size_t>(sorted.end() - std::ranges::upper_bound(sorted, most));
}

std::vector<size_t> find_quiet_rounds(const std::vector<double>& probe_ns, size_t fewest) {
  std::vector<size_t> order(probe_ns.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t i) { return probe_ns[i]; });
  order.resize(std::max(order.size() - count_disturbed(probe_ns), std::min(order.size(), fewest)));
  std::ranges::sort(order);
  return order;
}

std::vector<std::span<const ShapeTimings>> by_class(std::span<const ShapeTimings> shapes) {
  std::vector<std::span<const ShapeTimings>> classes;
  while (!shapes.empty()) {
    const auto other = std::ranges::find_if_not(shapes, [&](const auto& s) { return same_class(s, shapes.front()); });
    const auto size = static_cast<size_t>(other - shapes.begin());
    classes.push_back(shapes.first(size));
    shapes = shapes.subspan(size);
  }
  return classes;
}

ShapeClass middle_of(std::span<const ShapeTimings> sizes, size_t index) {
  const int product = sizes[index].shape_class.percent * sizes[index + 1].shape_class.percent;
  return scaled(find_kernel(sizes.front().kernel), sizes.front().shape_class,
                static_cast<int>(std::lround(std::sqrt(product))));
}

std::vector<TimingJob> find_gaps(std::span<const ShapeTimings> shapes) {
  constexpr double kMostLossBetween = 1.01;
  std::vector<TimingJob> gaps;
  for (const auto sizes : by_class(shapes)) {
    const Kernel& kernel = find_kernel(sizes.front().kernel);
    std::vector<const Variant*> variants;
    for (const Timing& t : sizes.front().timings) {
      variants.push_back(&find_variant(kernel.name + "/" + t.variant));
    }
    for (size_t i = 0; i + 1 < sizes.size(); ++i) {
      const ShapeClass middle = middle_of(sizes, i);
      const bool is_new = middle.shape != sizes[i].shape_class.shape &&
                          middle.shape != sizes[i + 1].shape_class.shape;  // sizes are of whole blocks
      const Winner winner = winner_of(sizes.subspan(i, 2));
      if (is_new && std::min(winner.ratio, winner.runner_up_ratio) > kMostLossBetween) {
        gaps.push_back({&kernel, variants, middle});
      }
    }
  }
  return gaps;
}

Winner winner_of(std::span<const ShapeTimings> shapes) {
  struct Candidate {
    std::string variant;
    double ratio = 0, ratio_high = 0;
    bool slower = false;
  };
  std::vector<Candidate> candidates;  // in registry order: the simpler ISA first
  for (const auto& t : shapes.front().timings) {
    if (!t.usable) {
      continue;
    }
    Candidate c{t.variant};
    for (const auto& shape : shapes) {
      const Timing& there = *shape.find(t.variant);
      c.ratio = std::max(c.ratio, there.ratio);
      c.ratio_high = std::max(c.ratio_high, there.ratio_high);
      c.slower = c.slower || there.slower;
    }
    candidates.push_back(c);
  }
  const auto best = std::ranges::min_element(candidates, {}, &Candidate::ratio);
  const auto simplest = std::ranges::find_if(
      candidates, [](const Candidate& c) { return !c.slower && c.ratio_high <= kMostLossForSimplicity; });
  const auto chosen = simplest == candidates.end() ? best : simplest;
  Winner winner{chosen->variant, "", false, chosen->ratio, std::numeric_limits<double>::infinity()};
  for (const auto& c : candidates) {
    if (c.variant == chosen->variant) {
      continue;
    }
    winner.tie = winner.tie || !c.slower;
    if (c.ratio < winner.runner_up_ratio) {
      winner.runner_up = c.variant;
      winner.runner_up_ratio = c.ratio;
    }
  }
  return winner;
}

void decide(ShapeTimings& shape) {
  shape.quiet = find_quiet_rounds(shape.probe_ns);
  const auto summarise = [&](Timing& t) {
    std::vector<double> samples;
    for (const size_t round : rounds_of(shape, t)) {
      samples.push_back(t.samples_ns[round]);
    }
    const Estimate e = estimate(samples);
    t.median_ns = e.median;
    t.low_ns = e.low;
    t.high_ns = e.high;
  };
  std::ranges::for_each(shape.timings, summarise);
  if (!shape.control.samples_ns.empty()) {
    summarise(shape.control);
  }
  const double noise = shape.control_ratio();
  // The one of the least median may be the slower of two in most rounds: where the machine's own speed varied among them.
  shape.reference.clear();
  const Timing& of_least_median = shape.fastest();
  const Timing* reference = &of_least_median;
  double least = 1;
  for (const auto& t : shape.timings) {
    const double ratio = t.usable ? median_of(ratios(shape, t, of_least_median)) : kNever;
    if (ratio < least) {
      least = ratio;
      reference = &t;
    }
  }
  shape.reference = reference->variant;
  for (auto& t : shape.timings) {
    const Estimate ratio = estimate(ratios(shape, t, *reference), 0.99);
    t.ratio = ratio.median;
    t.ratio_low = ratio.low;
    t.ratio_high = ratio.high;
    t.slower = ratio.low > 1 && ratio.median > noise;
  }
  const Winner winner = winner_of({&shape, 1});
  shape.winner = winner.variant;
  shape.runner_up = winner.runner_up;
  shape.tie = winner.tie;
}

double possible_loss(const ShapeTimings& shape) {
  const Timing& winner = *shape.find(shape.winner);
  double most = 1;
  for (const auto& t : shape.timings) {
    if (&t != &winner && t.usable && !t.slower) {
      most = std::max(most, estimate(ratios(shape, winner, t)).high);
    }
  }
  return most;
}

std::vector<ShapeTimings> time_shapes(const std::vector<TimingJob>& jobs, const BenchOptions& options,
                                      nlohmann::json& google, const std::function<void(ShapeTimings&)>& on_done) {
  // Where the buffers lie decides how lines share cache sets, and can tell more than the variant does: so each round has
  // them elsewhere (Mytkowicz et al., "Producing wrong data without doing anything obviously wrong", ASPLOS 2009).
  constexpr int kPilot = 5;
  constexpr double kEnough = 1.03;
  const int most_rounds = options.repetitions + options.extra_rounds;
  std::vector<TimingJob> left = jobs;
  std::vector<ShapeTimings> shapes;
  for (const TimingJob& job : jobs) {
    ShapeTimings& shape = shapes.emplace_back();
    shape.kernel = job.kernel->name;
    shape.shape_class = job.shape_class;
    shape.work = trial_of(*job.kernel).work(job.shape_class.shape);
    if (const char* weights = job.kernel->contract->weights) {
      const weight_format& format = find_format(weights);
      const auto elements = static_cast<double>(job.shape_class.shape[0] * job.shape_class.shape[1]);
      shape.file_bytes = elements / static_cast<double>(format.elements) * static_cast<double>(format.bytes);
    }
  }
  std::vector<bool> done(jobs.size());
  for (int round = 0; round < most_rounds; ++round) {
    for (size_t i = 0; i < jobs.size(); ++i) {
      ShapeTimings& shape = shapes[i];
      const int at_once = is_large(shape.work) ? kPilot : 1;
      const int repetitions = rounds_for(shape, options.repetitions);
      const int most_of_shape = rounds_for(shape, most_rounds);
      if (done[i] || round % at_once != 0) {
        continue;
      }
      if (options.on_progress) {
        options.on_progress(fmt::format("round {} of {}: {} {}", round + 1,
                                        round < repetitions ? repetitions : most_of_shape, shape.kernel,
                                        shape.shape_class.name()));
      }
      const int regular = repetitions - round;
      run_on_google_benchmark(left[i], options, regular > 0 ? std::min(at_once, regular) : at_once, round, shape,
                              google);
      if (shape.timings.empty()) {
        done[i] = true;  // the filter left nothing
        continue;
      }
      const auto timed = static_cast<int>(shape.probe_ns.size());
      if (timed == kPilot) {
        drop_slow(left[i].variants, shape, options.drop_over);
      }
      if (timed >= repetitions) {
        decide(shape);
        done[i] = timed >= most_of_shape || possible_loss(shape) <= kEnough;
        if (done[i] && on_done) {
          on_done(shape);
        }
      }
    }
  }
  std::erase_if(shapes, [](const ShapeTimings& shape) { return shape.timings.empty(); });
  return shapes;
}

std::string name_of_timing(const Variant& variant, const ShapeClass& shape_class) {
  return variant.name() + "/" + shape_class.name();
}

std::vector<const Variant*> selected_variants(const TimingJob& job, const BenchOptions& options) {
  try {
    const std::regex filter(options.filter);
    std::vector<const Variant*> variants = job.variants;
    std::erase_if(variants, [&](const Variant* v) {
      const Claim* claim = claim_of(*v);
      return !std::regex_search(name_of_timing(*v, job.shape_class), filter) ||
             (claim != nullptr && !claim->allows(*job.kernel, job.shape_class.shape));
    });
    const auto is_usable = [&](const Variant* v) { return std::ranges::count(job.not_usable, v) == 0; };
    return std::ranges::any_of(variants, is_usable) ? variants : std::vector<const Variant*>();
  } catch (const std::regex_error& e) {
    throw InputError(fmt::format("--filter '{}' is not a regular expression: {}", options.filter, e.what()));
  }
}

namespace {

/// The variants that the glob has and of whose verdicts `is_wanted` holds.
template <class F>
std::vector<const Variant*> variants_with(const Kernel& kernel, const std::vector<Verdict>& verdicts,
                                          const std::string& variant_glob, const F& is_wanted) {
  std::vector<const Variant*> variants;
  for (const auto& variant : kernel.variants) {
    const bool wanted = std::ranges::any_of(verdicts, [&](const Verdict& v) {
      return is_wanted(v) && v.kernel == variant.kernel && v.variant == variant.label();
    });
    if (wanted && glob_match(variant_glob, variant)) {
      variants.push_back(&variant);
    }
  }
  return variants;
}

}  // namespace

std::vector<const Variant*> passing_variants(const Kernel& kernel, const std::vector<Verdict>& verdicts,
                                             const std::string& variant_glob) {
  return variants_with(kernel, verdicts, variant_glob, [](const Verdict& v) { return v.may_be_chosen(); });
}

bool is_quick(const Kernel& kernel, const ShapeClass& shape_class, const CacheInfo& caches) {
  return !shape_class.cold &&
         trial_of(kernel).work(shape_class.shape).bytes() <= static_cast<double>(std::max(caches.l2, size_t{2} << 20));
}

std::vector<ShapeClass> classes_to_time(const Kernel& kernel, const CacheInfo& caches, const BenchOptions& options) {
  if (options.shapes.empty()) {
    return timed_classes(kernel, caches);
  }
  std::vector<ShapeClass> classes;
  if (const auto shapes = options.shapes.find(kernel.name); shapes != options.shapes.end()) {
    for (const Shape& shape : shapes->second) {
      classes.push_back({fmt::format("{}", fmt::join(shape, "x")), shape});
    }
  }
  return classes;
}

BenchResult bench(const Cpu& cpu, std::vector<Verdict>& verdicts, const BenchOptions& options) {
  BenchResult result;
  std::vector<TimingJob> jobs;
  for (const auto& kernel : kernels()) {
    if (!glob_match(options.kernel_glob, kernel.name)) {
      continue;
    }
    auto variants = passing_variants(kernel, verdicts, options.variant_glob);
    if (variants.empty()) {
      continue;
    }
    std::vector<const Variant*> claimed;
    if (options.time_claimed) {
      claimed = variants_with(kernel, verdicts, options.variant_glob,
                              [](const Verdict& v) { return v.status == Status::claimed && !v.may_be_chosen(); });
      variants.insert(variants.end(), claimed.begin(), claimed.end());
    }
    for (const auto& shape_class : classes_to_time(kernel, cpu.caches, options)) {
      const Work work = trial_of(kernel).work(shape_class.shape);
      if (options.quick && !is_quick(kernel, shape_class, cpu.caches)) {
        continue;
      }
      // Between sizes of what is large little changes.
      const size_t sizes = is_large(work) ? 1 : options.percents.size();
      for (size_t i = 0; i < sizes; ++i) {
        const ShapeClass at_size = scaled(kernel, shape_class, options.percents[i]);
        if (i == 0 || at_size.shape != shape_class.shape) {
          jobs.push_back({&kernel, variants, at_size, false, claimed});
        }
      }
    }
  }
  if (std::isfinite(options.drop_over)) {
    drop_hopeless(cpu, jobs, verdicts, options);
  }
  check_timed_shapes(cpu, jobs, verdicts, options);
  result.peak = measure_peak(cpu);
  const auto on_done = [&](ShapeTimings& shape) {
    set_limit(shape, result.peak, cpu.caches);
    if (options.on_timings) {
      options.on_timings(shape);
    }
  };
  result.shapes = time_shapes(jobs, options, result.google, on_done);
  if (options.refine) {
    for (auto& middle : time_shapes(find_gaps(result.shapes), options, result.google, on_done)) {
      const auto below = std::ranges::find_if(result.shapes, [&](const ShapeTimings& s) {
        return same_class(s, middle) && s.shape_class.percent < middle.shape_class.percent;
      });
      result.shapes.insert(below, std::move(middle));
    }
  }
  if (result.shapes.empty()) {
    throw InputError(fmt::format(
        "nothing to time: no variant with a passing verdict matches --kernel '{}' --variant '{}' --filter '{}'",
        options.kernel_glob, options.variant_glob, options.filter));
  }
  result.raised = raise_limits(result.peak, measure_peak(cpu));
  for (ShapeTimings& shape : result.shapes) {
    set_limit(shape, result.peak, cpu.caches);
  }
  return result;
}

nlohmann::json to_json(const ShapeTimings& s) {
  auto timings = nlohmann::json::array();
  for (const auto& t : s.timings) {
    const Variant& variant = find_variant(s.kernel + "/" + t.variant);
    timings.push_back({{"variant", t.variant},
                       {"median_ns", t.median_ns},
                       {"low_ns", t.low_ns},
                       {"high_ns", t.high_ns},
                       {"samples_ns", t.samples_ns},
                       {"ratio", {t.ratio, t.ratio_low, t.ratio_high}},
                       {"slower", t.slower},
                       {"usable", t.usable},
                       {"lines", variant.lines},
                       {"shared_lines", variant.shared_lines},
                       {"generation_ns", t.generation_ns},
                       {"packed_bytes", t.packed_bytes},
                       {"packing_ns", t.packing_ns},
                       {"share_of_limit", s.limit_ns / t.median_ns}});
  }
  return {{"kernel", s.kernel},
          {"class", s.shape_class.label},
          {"dims", find_kernel(s.kernel).dims()},
          {"shape", s.shape_class.shape},
          {"percent", s.shape_class.percent},
          {"cold", s.shape_class.cold},
          {"ragged", s.shape_class.ragged},
          {"ops", s.work.ops},
          {"bytes_read", s.work.read},
          {"bytes_written", s.work.written},
          {"file_bytes", s.file_bytes},
          {"limit", s.limit},
          {"limit_ns", s.limit_ns},
          {"timings", timings},
          {"probe_ns", s.probe_ns},
          {"quiet", s.quiet},
          {"control",
           {{"variant", s.control.variant},
            {"median_ns", s.control.median_ns},
            {"samples_ns", s.control.samples_ns},
            {"ratio", s.control_ratio()}}},
          {"winner", s.winner},
          {"runner_up", s.runner_up},
          {"tie", s.tie}};
}

}  // namespace assay
