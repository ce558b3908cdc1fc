#include "reports/join.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "harness/runtime/error.h"
#include "reports/figures.h"

namespace assay {
namespace {

/// Of two verdicts a failure counts, else the one of more samples.
bool is_outdone(const VariantSummary& v, const std::string& status, double samples) {
  const auto rank = [](const std::string& s) {
    return s == "fail" ? 3 : s == "pass" || s == "claimed" ? 2 : !s.empty() ? 1 : 0;
  };
  return rank(status) != rank(v.status) ? rank(status) > rank(v.status) : samples >= v.samples;
}

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

void join_kernels(Report& to, const Report& from) {
  for (const auto& kernel : from.kernels) {
    KernelSummary& mine = to.kernel(kernel.name);
    mine.dims = mine.dims.empty() ? kernel.dims : mine.dims;
    const size_t before = mine.shapes.size();
    append(mine.shapes, kernel.shapes);
    for (const auto& v : kernel.variants) {
      VariantSummary& known = variant_of(mine, v.variant);
      take_verdict(known, v);
      known.lines = std::max(known.lines, v.lines);
      known.shared_lines = std::max(known.shared_lines, v.shared_lines);
      if (!v.times.empty()) {
        known.times.resize(before);
        append(known.times, v.times);
        known.generation_ns = std::max(known.generation_ns, v.generation_ns);
        known.packed_share = std::max(known.packed_share, v.packed_share);
        known.packing_rate = std::max(known.packing_rate, v.packing_rate);
      }
      if (!v.emulated.empty()) {
        known.emulated.resize(to.emulated_cpus.size());
        append(known.emulated, v.emulated);
      }
    }
  }
}

}  // namespace

void take_verdict(VariantSummary& to, const VariantSummary& from) {
  if (!is_outdone(to, from.status, from.samples)) {
    return;
  }
  to.status = from.status;
  to.reason = from.reason;
  to.samples = from.samples;
  to.max_ulp = from.max_ulp;
  to.over_bound = from.over_bound;
  to.ulp_bins = from.ulp_bins;
  to.bound_bins = from.bound_bins;
}

void fill_up(Report& s) {
  for (auto& kernel : s.kernels) {
    for (auto& v : kernel.variants) {
      v.times.resize(v.times.empty() ? 0 : kernel.shapes.size());
      v.emulated.resize(v.emulated.empty() ? 0 : s.emulated_cpus.size());
    }
  }
}

bool times_the_same(const Report& a, const Report& b) {
  std::set<std::pair<std::string, std::string>> timed;
  for (const auto& kernel : a.kernels) {
    for (const auto& shape : kernel.shapes) {
      timed.emplace(kernel.name, fmt::format("{} {}", shape.label, shape_text(kernel, shape)));
    }
  }
  return std::ranges::any_of(b.kernels, [&](const KernelSummary& kernel) {
    return std::ranges::any_of(kernel.shapes, [&](const ShapeSummary& shape) {
      return timed.contains({kernel.name, fmt::format("{} {}", shape.label, shape_text(kernel, shape))});
    });
  });
}

void join(Report& to, const Report& from) {
  for (const auto& cpu : from.emulated_cpus) {
    if (std::ranges::count(to.emulated_cpus, cpu) != 0) {
      throw InputError(fmt::format("two files are of the emulated CPU {}: give one of them", cpu));
    }
  }
  join_kernels(to, from);
  to.cpu = to.cpu.is_known() ? to.cpu : from.cpu;
  if (to.cpu.isas.empty()) {
    to.cpu.isas = from.cpu.isas;
  }
  if (to.levels.empty()) {
    to.rates = from.rates;
    to.levels = from.levels;
    to.no_limits = from.no_limits;
  }
  append(to.sources, from.sources);
  for (const auto& origin : from.origins) {
    if (std::ranges::count(to.origins, origin.name, &OriginSummary::name) == 0) {
      to.origins.push_back(origin);
    }
  }
  append(to.emulated_cpus, from.emulated_cpus);
  append(to.choices, from.choices);
  append(to.predictions, from.predictions);
  append(to.models, from.models);
  to.rounds = to.rounds.ns.empty() ? from.rounds : to.rounds;
  fill_up(to);
}

}  // namespace assay
