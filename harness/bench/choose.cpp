#include "harness/bench/choose.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <span>

#include "harness/runtime/codename.h"

namespace assay {
namespace {

/// Whether every variant that was timed there was checked at that shape.
bool is_checked(const ShapeTimings& timed, const std::vector<Verdict>& verdicts) {
  return std::ranges::all_of(timed.timings, [&](const Timing& t) {
    return std::ranges::any_of(verdicts, [&](const Verdict& v) {
      return v.kernel == timed.kernel && v.variant == t.variant &&
             std::ranges::count(v.shapes, timed.shape_class.shape) != 0;
    });
  });
}

nlohmann::json evidence_of(const Verdict& v) {
  return {{"status", to_string(v.status)},
          {"samples", v.samples},
          {"worst_error_over_bound", v.errors.worst_over_bound},
          {"max_ulp", v.errors.max_ulp},
          {"seed", v.seed}};
}

/// Of each variant that was timed at all of `shapes`.
std::map<std::string, Ratio> ratios_of(std::span<const ShapeTimings> shapes) {
  std::map<std::string, Ratio> ratios;
  for (const Timing& t : shapes.front().timings) {
    Ratio worst{t.ratio, t.ratio_low, t.ratio_high};
    for (const ShapeTimings& shape : shapes.subspan(1)) {
      const Timing& there = *shape.find(t.variant);
      worst = {std::max(worst.median, there.ratio), std::max(worst.low, there.ratio_low),
               std::max(worst.high, there.ratio_high)};
    }
    ratios[t.variant] = worst;
  }
  return ratios;
}

/// What to use near `shape_class`, by the timings of `shapes`.
Choice choice_of(std::span<const ShapeTimings> shapes, const ShapeClass& shape_class,
                 const std::vector<Verdict>& verdicts) {
  const ShapeTimings& timed = shapes.front();
  const Winner winner = winner_of(shapes);
  const auto verdict = std::ranges::find_if(
      verdicts, [&](const Verdict& v) { return v.kernel == timed.kernel && v.variant == winner.variant; });
  const Timing& t = *timed.find(winner.variant);
  Choice c;
  c.kernel = timed.kernel;
  c.label = shape_class.name();
  c.variant = winner.variant;
  c.code = find_variant(c.kernel + "/" + c.variant).code;
  c.shape = shape_class.shape;
  c.cold = shape_class.cold;
  c.verdict = evidence_of(*verdict);
  c.ratios = ratios_of(shapes);
  c.timing = {{"shape", timed.shape_class.shape},
              {"median_ns", t.median_ns},
              {"low_ns", t.low_ns},
              {"high_ns", t.high_ns},
              {"share_of_limit", timed.limit_ns / t.median_ns},
              {"limit", timed.limit},
              {"tie", winner.tie},
              {"control_ratio", timed.control_ratio()},
              {"rounds", timed.probe_ns.size()},
              {"disturbed", count_disturbed(timed.probe_ns)},
              {"worst_ratio", winner.ratio}};
  if (winner.runner_up.empty()) {
    c.why = "the only variant with a passing verdict";
    return c;
  }
  c.timing["runner_up"] = winner.runner_up;
  c.timing["runner_up_worst_ratio"] = winner.runner_up_ratio;
  const double ratio = winner.ratio / winner.runner_up_ratio;
  if (winner.tie) {
    c.why = fmt::format("tie with {} ({:.2f}x its time): the {}", winner.runner_up, ratio,
                        ratio > 1 ? "simpler ISA" : "faster by median");
  } else if (winner.ratio > 1) {
    c.why = fmt::format("none is the fastest at both sizes: {:.2f}x its time at worst, {} {:.2f}x", winner.ratio,
                        winner.runner_up, winner.runner_up_ratio);
  } else {
    c.why = fmt::format("{:.2f}x faster than {}, the runner-up", 1 / ratio, winner.runner_up);
  }
  return c;
}

}  // namespace

Profile choose(const Cpu& cpu, const std::vector<Verdict>& verdicts, const std::vector<ShapeTimings>& shapes) {
  Profile profile;
  profile.cpu = cpu_identity(cpu);
  profile.archspec = archspec_of(cpu);
  profile.date = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
  profile.compiler = compiler();
  for (const auto sizes : by_class(shapes)) {
    const ShapeClass& own = sizes.front().shape_class;
    if (!is_checked(sizes.front(), verdicts)) {
      continue;
    }
    profile.choices.push_back(choice_of(sizes.first(std::min<size_t>(sizes.size(), 2)), own, verdicts));
    for (size_t i = 1; i + 1 < sizes.size(); ++i) {
      profile.choices.push_back(choice_of(sizes.subspan(i, 2), middle_of(sizes, i), verdicts));
    }
  }
  for (const Verdict& v : verdicts) {
    if (v.may_be_chosen()) {
      const Kernel& kernel = find_kernel(v.kernel);
      profile.evidence[v.kernel + "/" + v.variant] = {kernel.find(v.variant)->code, kernel.contract->version,
                                                      evidence_of(v)};
    }
  }
  return profile;
}

}  // namespace assay
