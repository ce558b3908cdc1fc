#include "reports/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/runtime/isa.h"

namespace assay {
namespace {

/// Ratios of times at several shapes, on their way to a geometric mean.
class RatioSum {
 public:
  void add(const TimeSummary& mine, const TimeSummary& other) {
    ratio_ += std::log(other.median / mine.median);
    low_ += std::log(other.low / mine.high);
    high_ += std::log(other.high / mine.low);
    ++shapes_;
  }
  MeanRatio mean() const {
    const auto n = static_cast<double>(shapes_);
    return shapes_ == 0 ? MeanRatio{}
                        : MeanRatio{std::exp(ratio_ / n), std::exp(low_ / n), std::exp(high_ / n), shapes_};
  }

 private:
  double ratio_ = 0, low_ = 0, high_ = 0;
  size_t shapes_ = 0;
};

Those made_by(Maker maker) {
  return [maker](const VariantSummary& v) { return maker_of(v.variant) == maker; };
}

/// The unit that a time is written in: nanoseconds of it, its name and digits behind the point.
struct UnitOfTime {
  double ns;
  const char* name;
  int digits;
};
UnitOfTime unit_of(double ns) {
  return ns < 1e3   ? UnitOfTime{1, "ns", 1}
         : ns < 1e6 ? UnitOfTime{1e3, "µs", 2}
         : ns < 1e9 ? UnitOfTime{1e6, "ms", 2}
                    : UnitOfTime{1e9, "s", 2};
}

std::string faster_text(Maker maker, const MeanRatio& m) {
  const std::string who = maker == Maker::hand ? "by hand" : to_string(maker);
  if (m.is_faster()) {
    return fmt::format("{} {:.2f} times faster", who, m.ratio);
  }
  return m.is_slower() ? fmt::format("{} {:.2f} times slower", who, 1 / m.ratio) : fmt::format("{} no different", who);
}

void count_verdicts(const KernelSummary& kernel, Glance& g) {
  for (const auto& v : kernel.variants) {
    g.passed += v.status == "pass";
    g.claimed += v.status == "claimed";
    g.failed += v.status == "fail";
    g.not_runnable += v.status == "not-runnable";
    g.unchecked += v.status.empty();
    g.samples += v.status == "pass" ? v.samples : 0;
  }
}

}  // namespace

std::string isa_of_label(const std::string& label) { return label.substr(0, label.find_first_of("-[:!")); }

std::vector<std::string> isas_of(const Report& summary, bool (*belongs)(const VariantSummary&)) {
  std::vector<std::string> found;
  for (const auto& kernel : summary.kernels) {
    for (const auto& v : kernel.variants) {
      if (belongs(v) && std::ranges::count(found, isa_of_label(v.variant)) == 0) {
        found.push_back(isa_of_label(v.variant));
      }
    }
  }
  const auto place = [](const std::string& name) {
    return std::ranges::find(isas(), name, &Isa::name) - isas().begin();
  };
  std::ranges::stable_sort(found, {}, place);
  return found;
}

std::string compiler_of(const std::string& label) {
  const std::string name = isa_of_label(label);
  return name.starts_with("auto_") ? "auto" : name == "gcc" || name == "clang" ? name : "";
}

Maker maker_of(const std::string& label) {
  const std::string name = isa_of_label(label);
  const auto isa = std::ranges::find(isas(), name, &Isa::name);
  if (isa == isas().end() || isa->kind == IsaKind::foreign) {
    const bool is_naive = name == "naive_gcc" || name == "naive_clang";
    return !compiler_of(label).empty() ? Maker::compiler : is_naive ? Maker::naive : Maker::foreign;
  }
  switch (isa->kind) {
    case IsaKind::plain:
      return Maker::plain;
    case IsaKind::compiler:
      return Maker::compiler;
    case IsaKind::hand:
      return Maker::hand;
    case IsaKind::generated:
      return Maker::generated;
    case IsaKind::foreign:
      return Maker::foreign;
  }
  return Maker::foreign;
}

std::string to_string(Maker maker) {
  switch (maker) {
    case Maker::plain:
      return "plain C++";
    case Maker::compiler:
      return "compiler";
    case Maker::hand:
      return "hand-written";
    case Maker::generated:
      return "generated";
    case Maker::foreign:
      return "plug-in";
    case Maker::naive:
      return "naive C++";
  }
  return "";
}

std::string time_text(double ns) {
  constexpr double kBeyondReason = 1e18;  // of a file that somebody else made
  const UnitOfTime unit = unit_of(ns);
  return ns < kBeyondReason ? fmt::format("{:.{}f} {}", ns / unit.ns, unit.digits, unit.name)
                            : fmt::format("{:.4g} s", ns / 1e9);
}

std::string interval_text(const TimeSummary& time) {
  const UnitOfTime unit = unit_of(time.median);
  return fmt::format("{:.{}f} .. {:.{}f} {}", time.low / unit.ns, unit.digits, time.high / unit.ns, unit.digits,
                     unit.name);
}

std::string bytes_text(double bytes) {
  if (bytes < 1024) {
    return fmt::format("{:.0f} B", bytes);
  }
  return bytes < 0x1p20   ? fmt::format("{:.4g} KiB", bytes / 1024)
         : bytes < 0x1p30 ? fmt::format("{:.4g} MiB", bytes / 0x1p20)
                          : fmt::format("{:.4g} GiB", bytes / 0x1p30);
}

std::string count_text(double count) {
  std::string digits = fmt::format("{:.0f}", count);
  for (size_t at = digits.size(); at > 3 && digits[at - 4] != '-';) {
    digits.insert(at -= 3, 1, ',');
  }
  return digits;
}

std::string shape_text(const KernelSummary& kernel, const ShapeSummary& shape) {
  std::string text;
  for (size_t i = 0; i < shape.sizes.size(); ++i) {
    const std::string dim = i < kernel.dims.size() ? fmt::format("{}=", kernel.dims[i]) : "";
    text += fmt::format("{}{}{:.0f}", i == 0 ? "" : " ", dim, shape.sizes[i]);
  }
  return text;
}

std::string short_name(const Report& summary) {
  return !summary.cpu.codename.empty() ? summary.cpu.codename
         : !summary.cpu.brand.empty()  ? summary.cpu.brand
                                       : "an unknown CPU";
}

std::string dates_text(const Report& summary) {
  std::vector<std::string> dates;
  for (const auto& source : summary.sources) {
    if (!source.date.empty()) {
      dates.push_back(source.date.substr(0, 10));
    }
  }
  if (dates.empty()) {
    return "undated";
  }
  const auto [first, last] = std::ranges::minmax(dates);
  return first == last ? first : fmt::format("{} to {}", first, last);
}

const TimeSummary* time_at(const VariantSummary& variant, size_t shape) {
  return shape < variant.times.size() && variant.times[shape].median > 0 ? &variant.times[shape] : nullptr;
}

const TimeSummary* time_of(const KernelSummary& kernel, const std::string& label, size_t shape) {
  const auto v = std::ranges::find(kernel.variants, label, &VariantSummary::variant);
  return v == kernel.variants.end() ? nullptr : time_at(*v, shape);
}

double share_of_limit(const ShapeSummary& shape, const TimeSummary& time) {
  return time.median > 0 ? shape.limit_ns / time.median : 0;
}

Best best_of(const KernelSummary& kernel, size_t shape, const Those& those) {
  Best best;
  for (const auto& v : kernel.variants) {
    const TimeSummary* time = time_at(v, shape);
    if (time != nullptr && those(v) && (best.variant == nullptr || time->median < best.time.median)) {
      best = {&v, *time};
    }
  }
  return best;
}

Best best_of(const KernelSummary& kernel, size_t shape, Maker maker) { return best_of(kernel, shape, made_by(maker)); }

Best best_of(const KernelSummary& kernel, size_t shape) {
  return best_of(kernel, shape, [](const VariantSummary& v) { return v.status != "claimed"; });
}

MeanRatio speedup(const KernelSummary& kernel, const Those& these, const Those& those) {
  RatioSum sum;
  for (size_t i = 0; i < kernel.shapes.size(); ++i) {
    const Best mine = best_of(kernel, i, these);
    const Best other = best_of(kernel, i, those);
    if (mine.variant != nullptr && other.variant != nullptr) {
      sum.add(mine.time, other.time);
    }
  }
  return sum.mean();
}

MeanRatio speedup(const KernelSummary& kernel, Maker maker) {
  return speedup(kernel, made_by(maker), made_by(Maker::compiler));
}

MeanRatio speedup(const KernelSummary& kernel, const std::string& label, const std::string& against) {
  RatioSum sum;
  for (size_t i = 0; i < kernel.shapes.size(); ++i) {
    const TimeSummary* mine = time_of(kernel, label, i);
    const TimeSummary* other = time_of(kernel, against, i);
    if (mine != nullptr && other != nullptr) {
      sum.add(*mine, *other);
    }
  }
  return sum.mean();
}

double mean_share(const KernelSummary& kernel, Maker maker) { return mean_share(kernel, made_by(maker)); }

double mean_share(const KernelSummary& kernel, const Those& those) {
  double sum = 0;
  size_t count = 0;
  for (size_t i = 0; i < kernel.shapes.size(); ++i) {
    const Best best = best_of(kernel, i, those);
    if (best.variant != nullptr && kernel.shapes[i].limit_ns > 0) {
      sum += std::log(share_of_limit(kernel.shapes[i], best.time));
      ++count;
    }
  }
  return count == 0 ? 0 : std::exp(sum / static_cast<double>(count));
}

std::string share_or(double share, const char* nothing) {
  return share > 0 ? fmt::format("{:.0f}%", 100 * share) : nothing;
}

std::string ratio_or(const MeanRatio& m, const char* nothing) {
  return m.shapes == 0 ? nothing : fmt::format("{:.2f} ({:.2f} .. {:.2f})", m.ratio, m.low, m.high);
}

std::string verdict_text(const KernelSummary& kernel) {
  const MeanRatio hand = speedup(kernel, Maker::hand);
  const MeanRatio generated = speedup(kernel, Maker::generated);
  if (hand.shapes == 0 && generated.shapes == 0) {
    // Tuning leaves out what is far slower than the fastest.
    const bool left_out = mean_share(kernel, Maker::compiler) == 0 &&
                          mean_share(kernel, Maker::hand) + mean_share(kernel, Maker::generated) > 0;
    return left_out ? "the compiler's was not timed" : "nothing to compare";
  }
  const bool by_hand = generated.shapes == 0 || (hand.shapes != 0 && hand.ratio >= generated.ratio);
  return by_hand ? faster_text(Maker::hand, hand) : faster_text(Maker::generated, generated);
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) {
    return 0;
  }
  std::ranges::sort(values);
  const double at = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<size_t>(at);
  const double above = values[std::min(below + 1, values.size() - 1)];
  return values[below] + (at - static_cast<double>(below)) * (above - values[below]);
}

Glance glance_of(const Report& summary) {
  Glance g;
  std::vector<double> shares;
  double logarithms = 0;
  for (const auto& kernel : summary.kernels) {
    count_verdicts(kernel, g);
    for (size_t i = 0; i < kernel.shapes.size(); ++i) {
      const ShapeSummary& shape = kernel.shapes[i];
      const TimeSummary* used = time_of(kernel, shape.use, i);
      if (used == nullptr) {
        continue;
      }
      ++g.shapes;
      g.ties += shape.tie;
      ++g.used[static_cast<size_t>(maker_of(shape.use))];
      if (shape.limit_ns > 0) {
        shares.push_back(share_of_limit(shape, *used));
      }
      const Best compiler = best_of(kernel, i, Maker::compiler);
      const Best ours = best_of(kernel, i, [](const VariantSummary& v) {
        return maker_of(v.variant) == Maker::hand || maker_of(v.variant) == Maker::generated;
      });
      if (compiler.variant != nullptr && ours.variant != nullptr) {
        g.faster += ours.time.high < compiler.time.low;
        g.slower += ours.time.low > compiler.time.high;
        logarithms += std::log(compiler.time.median / ours.time.median);
        ++g.compared;
      }
    }
  }
  g.mean_speedup = g.compared == 0 ? 0 : std::exp(logarithms / static_cast<double>(g.compared));
  g.median_share = quantile(shares, 0.5);
  g.lower_share = quantile(shares, 0.25);
  g.upper_share = quantile(shares, 0.75);
  return g;
}

bool has_times(const Report& summary) {
  return std::ranges::any_of(summary.kernels, [](const KernelSummary& k) { return !k.shapes.empty(); });
}

}  // namespace assay
