#include "reports/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {

// A time is [median, below, above]: how many thousandths of it the interval reaches below and above.
inline void to_json(nlohmann::json& json, const TimeSummary& t) {
  if (t.median > 0) {
    const auto thousandths = [](double share) { return std::max(0.0, std::ceil(1000 * share - 1e-6)); };
    json = {t.median, std::min(999.0, thousandths(1 - t.low / t.median)), thousandths(t.high / t.median - 1)};
  } else {
    json = nlohmann::json::array();
  }
}
inline void from_json(const nlohmann::json& json, TimeSummary& t) {
  if (json.empty()) {
    return;
  }
  t.median = json.at(0).get<double>();
  t.low = t.median * (1 - json.at(1).get<double>() / 1000);
  t.high = t.median * (1 + json.at(2).get<double>() / 1000);
  if (!(t.median > 0) || !(t.low > 0) || !(t.low <= t.median) || !(t.high >= t.median) || !std::isfinite(t.high)) {
    throw InputError(fmt::format("{} is no time with its interval", json.dump()));
  }
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(VariantSummary, variant, status, reason, samples, max_ulp, over_bound,
                                                ulp_bins, bound_bins, emulated, times, generation_ns, packed_share,
                                                packing_rate, lines, shared_lines)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ShapeSummary, label, sizes, cold, ragged, ops, bytes, limit, limit_ns,
                                                control, use, next, tie)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(KernelSummary, name, dims, shapes, variants)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ChoiceSummary, kernel, label, variant, why)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PredictionSummary, kernel, variant, label, model, predicted, measured,
                                                covered, missing)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ModelSummary::Part, kernel, share)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ModelSummary, model, test, threads, rate, deviation, bandwidth_share,
                                                peak_share, kernels)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RoundsSummary, kernel, label, variant, ns, control_ns, probe_ns, quiet)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RateSummary, name, instruction, per_second)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(LevelSummary, name, read, written, mixed)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CpuSummary::Isa, isa, reason, runnable)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CpuSummary, vendor, brand, codename, xcr0, family, model, stepping, l1d,
                                                l2, l3, features, isas)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SourceSummary, command, date, version, build)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(OriginSummary, name, version)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Report, cpu, sources, origins, rates, levels, no_limits, emulated_cpus,
                                                choices, predictions, models, rounds, kernels)

namespace {

/// Leaves out what is empty or zero, and writes whole numbers as such and others to four digits.
void shorten(nlohmann::json& value) {
  if (value.is_number_float()) {
    const double x = value.get<double>();
    if (!std::isfinite(x)) {
      value = 0;
    } else if (x == std::floor(x) && std::fabs(x) < 0x1p53) {
      value = static_cast<int64_t>(x);
    } else {
      const double rounded = std::stod(fmt::format("{:.4g}", x));
      if (rounded == std::floor(rounded) && std::fabs(rounded) < 0x1p53) {
        value = static_cast<int64_t>(rounded);
      } else {
        value = rounded;
      }
    }
  } else if (value.is_array()) {
    for (auto& part : value) {
      shorten(part);
    }
  } else if (value.is_object()) {
    for (auto it = value.begin(); it != value.end();) {
      shorten(*it);
      const bool empty = (it->is_structured() && it->empty()) || *it == "" || *it == false || *it == 0;
      it = empty ? value.erase(it) : std::next(it);
    }
  }
}

/// So that writers need not ask again.
void expect_consistent(const Report& s) {
  const auto named = [](const std::string& name, const char* what) {
    if (name.empty()) {
      throw InputError(fmt::format("a {} has no name", what));
    }
  };
  const auto twice = std::ranges::adjacent_find(s.kernels, {}, &KernelSummary::name);
  if (twice != s.kernels.end()) {
    throw InputError(fmt::format("has the kernel {} twice", twice->name));
  }
  for (const auto& k : s.kernels) {
    named(k.name, "kernel");
    for (const auto& shape : k.shapes) {
      named(shape.label, "shape");
      if (!(shape.limit_ns >= 0) || !(shape.bytes >= 0) || !(shape.ops >= 0)) {
        throw InputError(fmt::format("{} {} has negative work", k.name, shape.label));
      }
    }
    for (const auto& v : k.variants) {
      named(v.variant, "variant");
      if (!v.emulated.empty() && v.emulated.size() != s.emulated_cpus.size()) {
        throw InputError(fmt::format("{}/{} is told of {} emulated CPUs of {}", k.name, v.variant, v.emulated.size(),
                                     s.emulated_cpus.size()));
      }
      if (!v.times.empty() && v.times.size() != k.shapes.size()) {
        throw InputError(
            fmt::format("{}/{} has {} times at {} shapes", k.name, v.variant, v.times.size(), k.shapes.size()));
      }
    }
  }
  const auto rounds = s.rounds.ns.size();
  if (s.rounds.probe_ns.size() != rounds || s.rounds.control_ns.size() != rounds) {
    throw InputError("its rounds, their controls and their probes are not as many");
  }
}

constexpr size_t kLargestSummary = size_t{4} << 20;
constexpr int kDeepestSummary = 16;

}  // namespace

bool CpuSummary::is_same(const CpuSummary& other) const {
  return vendor == other.vendor && brand == other.brand && family == other.family && model == other.model &&
         stepping == other.stepping && features == other.features && xcr0 == other.xcr0;
}

KernelSummary& Report::kernel(const std::string& kernel_name) {
  const auto at = std::ranges::lower_bound(kernels, kernel_name, {}, &KernelSummary::name);
  if (at != kernels.end() && at->name == kernel_name) {
    return *at;
  }
  KernelSummary added;
  added.name = kernel_name;
  return *kernels.insert(at, added);
}

VariantSummary& variant_of(KernelSummary& kernel, const std::string& label) {
  const auto at = std::ranges::find(kernel.variants, label, &VariantSummary::variant);
  if (at != kernel.variants.end()) {
    return *at;
  }
  VariantSummary added;
  added.variant = label;
  return kernel.variants.emplace_back(added);
}

std::string summary_text(const Report& summary) {
  nlohmann::json json = summary;
  const nlohmann::json kernels = json["kernels"];
  json.erase("kernels");
  shorten(json);
  std::string text = fmt::format("{{\"assay_summary\":{},\n", Report::kSchemaVersion);
  const auto dump = [](const nlohmann::json& part) {
    return part.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  for (const auto& [key, value] : json.items()) {
    text += fmt::format("\"{}\":{},\n", key, dump(value));
  }
  text += "\"kernels\":[";
  for (auto kernel : kernels) {
    shorten(kernel);
    text += (text.ends_with('[') ? "\n" : ",\n") + dump(kernel);
  }
  return text + "\n]}\n";
}

void clean_text(nlohmann::json& json) {
  constexpr size_t kLongest = 300;
  if (json.is_string()) {
    json = one_line(json.get_ref<const std::string&>(), kLongest);
  } else if (json.is_structured()) {
    for (auto& part : json) {
      clean_text(part);
    }
  }
}

Report parse_summary(const std::string& path, std::string_view text) {
  const auto bad = [&](const std::string& why) {
    return InputError(fmt::format("{}: {}; make it again with `assay report RUN.json --summary {}`", path,
                                  one_line(why, 500), shell_word(path)));
  };
  if (text.size() > kLargestSummary) {
    throw bad(fmt::format("is {} bytes long, a summary at most {}", text.size(), kLargestSummary));
  }
  try {
    nlohmann::json json = parse_json(text, kDeepestSummary);
    clean_text(json);
    if (!json.is_object() || json.value("assay_summary", nlohmann::json()) != Report::kSchemaVersion) {
      throw InputError(fmt::format("is no summary of schema version {}", Report::kSchemaVersion));
    }
    auto summary = json.get<Report>();
    std::ranges::sort(summary.kernels, {}, &KernelSummary::name);
    expect_consistent(summary);
    return summary;
  } catch (const nlohmann::json::exception& e) {
    throw bad(e.what());
  } catch (const InputError& e) {
    throw bad(e.what());
  }
}

Report as_kept(const Report& summary) {
  Report kept = parse_summary("the report", summary_text(summary));
  kept.name = summary.name;
  return kept;
}

}  // namespace assay
