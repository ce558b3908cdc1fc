#include "harness/bench/compare.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "harness/runtime/atomic_file.h"
#include "harness/runtime/error.h"
#include "harness/runtime/profile.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

constexpr double kAlpha = 0.01;
constexpr size_t kLeastSamples = 5;
constexpr double kLeastTime = 1e-3, kMostTime = 1e15;  // of one call, in ns: over eleven days

/// P(at most k heads of n fair coins).
double heads_at_most(size_t k, size_t n) {
  double sum = 0;
  for (size_t i = 0; i <= k; ++i) {
    sum += std::exp(std::lgamma(static_cast<double>(n) + 1) - std::lgamma(static_cast<double>(i) + 1) -
                    std::lgamma(static_cast<double>(n - i) + 1) - static_cast<double>(n) * std::log(2.0));
  }
  return std::min(sum, 1.0);
}

/// How likely values of `x` were as large beside those of `y` if both were drawn alike (Mann and Whitney, normal approximation with the
/// correction for continuity; ties count a half).
double as_large_by_chance(const std::vector<double>& x, const std::vector<double>& y) {
  double u = 0;
  for (const double a : x) {
    for (const double b : y) {
      u += a > b ? 1 : a == b ? 0.5 : 0;
    }
  }
  const auto n = static_cast<double>(x.size());
  const auto m = static_cast<double>(y.size());
  const double deviation = std::sqrt(n * m * (n + m + 1) / 12);
  const double z = (u - n * m / 2 - 0.5) / deviation;
  return 0.5 * std::erfc(z / std::sqrt(2.0));
}

std::vector<double> ratios_of(const BeforeAfter& s) {
  std::vector<double> ratios;
  for (size_t i = 0; i < s.before_ns.size(); ++i) {
    ratios.push_back(s.after_ns[i] / s.before_ns[i]);
  }
  return ratios;
}

/// That the ratio is over (or under) `at` by chance alone.
double p_value(const BeforeAfter& s, double at, bool over) {
  if (s.paired) {
    const auto ratios = ratios_of(s);
    const auto against = std::ranges::count_if(ratios, [&](double r) { return over ? r <= at : r >= at; });
    return heads_at_most(static_cast<size_t>(against), ratios.size());
  }
  std::vector<double> scaled = s.before_ns;
  for (double& t : scaled) {
    t *= at;
  }
  return over ? as_large_by_chance(s.after_ns, scaled) : as_large_by_chance(scaled, s.after_ns);
}

/// Those that Holm's procedure rejects (S. Holm, A simple sequentially rejective multiple test procedure, 1979).
std::vector<bool> rejected(const std::vector<double>& p) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return p[i]; });
  std::vector<bool> all(p.size(), false);
  for (size_t k = 0; k < order.size(); ++k) {
    if (p[order[k]] > kAlpha / static_cast<double>(order.size() - k)) {
      break;
    }
    all[order[k]] = true;
  }
  return all;
}

void estimate_ratio(const BeforeAfter& s, Comparison& c) {
  if (s.paired) {
    const Estimate e = estimate(ratios_of(s), 1 - kAlpha);
    c.ratio = e.median;
    c.low = e.low;
    c.high = e.high;
    return;
  }
  c.ratio = median_of(s.after_ns) / median_of(s.before_ns);
  constexpr int kResamples = 1000;
  Rng rng(1);
  std::vector<double> all;
  const auto resampled = [&](const std::vector<double>& from) {
    std::vector<double> drawn(from.size());
    std::ranges::generate(drawn, [&] { return from[rng.below(from.size())]; });
    return median_of(drawn);
  };
  for (int i = 0; i < kResamples; ++i) {
    all.push_back(resampled(s.after_ns) / resampled(s.before_ns));
  }
  std::ranges::sort(all);
  const auto at = [&](double share) { return all[static_cast<size_t>(share * (kResamples - 1))]; };
  c.low = at(kAlpha / 2);
  c.high = at(1 - kAlpha / 2);
}

// ---- reports ----

nlohmann::json read_report(const std::string& path) {
  constexpr size_t kLargest = size_t{256} << 20;
  constexpr int kDeepest = 32;
  const auto bad = [&](const std::string& why) {
    return InputError(fmt::format("{}: {}; give a file that `assay bench --out` wrote", path, why));
  };
  const std::string text = read_small_file(path, kLargest);
  nlohmann::json json;
  try {
    json = parse_json(text, kDeepest);
  } catch (const std::exception&) {
    throw bad("is no report");
  }
  if (!json.is_object() || !json.contains("schema_version") || !json.contains("shapes")) {
    throw bad("is no report");
  }
  if (json["schema_version"] != 1) {
    throw bad(fmt::format("has schema version {}, this build reads 1", one_line(json["schema_version"].dump(), 100)));
  }
  return json;
}

/// name -> samples.
std::map<std::string, std::vector<double>> samples_of(const std::string& path, const nlohmann::json& report) {
  const auto bad = [&](const std::string& why) {
    return InputError(fmt::format("{}: {}; give a file that `assay bench --out` wrote", path, one_line(why, 500)));
  };
  std::map<std::string, std::vector<double>> all;
  try {
    for (const auto& shape : report.at("shapes")) {
      for (const auto& timing : shape.at("timings")) {
        const std::string name =
            fmt::format("{}/{}/{}", shape.at("kernel").get<std::string>(), timing.at("variant").get<std::string>(),
                        shape.at("class").get<std::string>());
        if (!timing.contains("samples_ns")) {
          throw bad("holds no samples (it is a summary)");
        }
        auto samples = timing.at("samples_ns").get<std::vector<double>>();
        if (samples.size() < kLeastSamples ||
            !std::ranges::all_of(samples, [](double t) { return t >= kLeastTime && t <= kMostTime; })) {
          throw bad(fmt::format("has under {} samples of {}, or some that are no times", kLeastSamples, quote(name)));
        }
        all[fmt::format("{} ({})", one_line(name, 300), shape.at("shape").dump())] = std::move(samples);
      }
    }
  } catch (const nlohmann::json::exception& e) {
    throw bad(e.what());
  }
  return all;
}

}  // namespace

std::string to_string(Change change) {
  return change == Change::worse ? "worse" : change == Change::not_worse ? "not worse" : "undecided";
}

std::vector<Comparison> compare(const std::vector<BeforeAfter>& samples, double threshold) {
  std::vector<double> worse, fine;
  for (const BeforeAfter& s : samples) {
    worse.push_back(p_value(s, 1 + threshold, true));
    fine.push_back(p_value(s, 1 + threshold, false));
  }
  const auto is_worse = rejected(worse);
  const auto is_fine = rejected(fine);
  std::vector<Comparison> all;
  for (size_t i = 0; i < samples.size(); ++i) {
    Comparison& c = all.emplace_back();
    c.name = samples[i].name;
    estimate_ratio(samples[i], c);
    c.change = is_worse[i] ? Change::worse : is_fine[i] ? Change::not_worse : Change::undecided;
  }
  return all;
}

int least_rounds(size_t comparisons) {
  return static_cast<int>(std::ceil(std::log2(static_cast<double>(std::max<size_t>(comparisons, 1)) / kAlpha)));
}

std::vector<BeforeAfter> pairs_of_reports(const std::string& before, const std::string& after,
                                          std::vector<std::string>& alone) {
  const nlohmann::json reports[] = {read_report(before), read_report(after)};
  std::vector<std::string> differing;
  const nlohmann::json cpus[] = {cpu_identity(reports[0].value("cpu", nlohmann::json())),
                                 cpu_identity(reports[1].value("cpu", nlohmann::json()))};
  for (const char* field : kCpuIdentity) {
    const nlohmann::json& value = cpus[0].at(field);
    if (const nlohmann::json& other = cpus[1].at(field); other != value || value.is_null()) {
      differing.push_back(fmt::format("{} {} and {}", field, one_line(value.dump(), 80), one_line(other.dump(), 80)));
    }
  }
  if (!differing.empty()) {
    throw InputError(fmt::format("{} and {} are of different CPUs: {}; times of two CPUs say nothing of a change",
                                 before, after, fmt::join(differing, "; ")));
  }
  const auto old_samples = samples_of(before, reports[0]);
  const auto new_samples = samples_of(after, reports[1]);
  std::vector<BeforeAfter> pairs;
  for (const auto& [name, samples] : old_samples) {
    if (const auto it = new_samples.find(name); it != new_samples.end()) {
      pairs.push_back({name, samples, it->second, false});
    } else {
      alone.push_back(name);
    }
  }
  for (const auto& [name, samples] : new_samples) {
    if (!old_samples.contains(name)) {
      alone.push_back(name);
    }
  }
  if (pairs.empty()) {
    throw InputError(fmt::format("{} and {} have no variant at one shape in common", before, after));
  }
  return pairs;
}

BeforeAfter pair_of(const ShapeTimings& shape, const std::string& before, const std::string& after) {
  BeforeAfter pair{fmt::format("{}/{}/{}", shape.kernel, after, shape.shape_class.name()), {}, {}, true};
  const Timing& old_timing = *shape.find(before);
  const Timing& new_timing = *shape.find(after);
  // Half of the rounds at least: so few as a machine may leave quiet, nine, show nothing of many pairs, however much alike they are.
  for (const size_t round : find_quiet_rounds(shape.probe_ns, (shape.probe_ns.size() + 1) / 2)) {
    pair.before_ns.push_back(old_timing.samples_ns[round]);
    pair.after_ns.push_back(new_timing.samples_ns[round]);
  }
  return pair;
}

}  // namespace assay
