#pragma once
#include <array>
#include <functional>
#include <string>
#include <vector>

#include "reports/summary.h"

namespace assay {

// What follows from a summary's numbers: said by the Markdown and by the page alike.

/// Who wrote a variant's instructions.
enum class Maker { plain, compiler, hand, generated, foreign, naive };
inline constexpr std::array kMakers = {Maker::plain,     Maker::compiler, Maker::hand,
                                       Maker::generated, Maker::foreign,  Maker::naive};
/// By what the label begins with: an ISA; "gcc" or "clang" of the plug-ins of harness/plugins/compilers/, "naive_gcc" or "naive_clang";
/// else foreign.
Maker maker_of(const std::string& label);
/// "auto" of what assay's own compiler made, "clang" or "gcc" of a plug-in's; "": no compiler made it of the plain C++.
std::string compiler_of(const std::string& label);
/// "compiler", "by hand", "generated", ...
std::string to_string(Maker maker);

/// What a label begins with: the ISA, or the plug-in.
std::string isa_of_label(const std::string& label);

/// What the labels of these variants begin with, each once: ISAs in their own order, then plug-ins.
std::vector<std::string> isas_of(const Report& summary, bool (*belongs)(const VariantSummary&));

/// "78.0 ns", "2.46 µs".
std::string time_text(double ns);
/// "10.0 .. 12.0 ns": both in the unit of the larger.
std::string interval_text(const TimeSummary& time);
/// "24.0 KiB".
std::string bytes_text(double bytes);
/// 1234567 as "1,234,567".
std::string count_text(double count);
/// "n=2048", "rows=3 cols=64".
std::string shape_text(const KernelSummary& kernel, const ShapeSummary& shape);
/// "Zen 5", or the brand where the design is not known.
std::string short_name(const Report& summary);
/// Dates of what is in it: "2026-11-27", or "2026-11-27 to 2026-11-30".
std::string dates_text(const Report& summary);

/// The variant's time at the shape; nullptr if it was not timed there.
const TimeSummary* time_at(const VariantSummary& variant, size_t shape);
/// The variant of that label at the shape; nullptr likewise.
const TimeSummary* time_of(const KernelSummary& kernel, const std::string& label, size_t shape);
/// The limit over the time; 0: not known.
double share_of_limit(const ShapeSummary& shape, const TimeSummary& time);

struct Best {
  const VariantSummary* variant = nullptr;  ///< nullptr: that maker has none that was timed there
  TimeSummary time;
};
/// The fastest of a maker at a shape, by median.
Best best_of(const KernelSummary& kernel, size_t shape, Maker maker);
/// The fastest of all that keep their contract.
Best best_of(const KernelSummary& kernel, size_t shape);
/// Which variants are meant.
using Those = std::function<bool(const VariantSummary&)>;
/// The fastest of these.
Best best_of(const KernelSummary& kernel, size_t shape, const Those& those);

/// A geometric mean over shapes, with what the intervals of the times allow it to be.
struct MeanRatio {
  double ratio = 0, low = 0, high = 0;
  size_t shapes = 0;  ///< 0: there is nothing to compare

  bool is_faster() const { return shapes != 0 && low > 1; }
  bool is_slower() const { return shapes != 0 && high < 1; }
};
/// How many times faster than the compiler's best the best of `maker` is.
MeanRatio speedup(const KernelSummary& kernel, Maker maker);
/// The same of the best of these against the best of those.
MeanRatio speedup(const KernelSummary& kernel, const Those& these, const Those& those);
/// And of one variant against another.
MeanRatio speedup(const KernelSummary& kernel, const std::string& label, const std::string& against);
/// The geometric mean of a maker's best share of the limit; 0: none.
double mean_share(const KernelSummary& kernel, Maker maker);
double mean_share(const KernelSummary& kernel, const Those& those);
/// "74%"; `nothing` for 0.
std::string share_or(double share, const char* nothing);
/// "1.52 (1.40 .. 1.61)"; `nothing` where there is nothing to compare.
std::string ratio_or(const MeanRatio& m, const char* nothing);
/// "by hand 1.52 times faster", "no difference", ...
std::string verdict_text(const KernelSummary& kernel);

/// What all of it comes to.
struct Glance {
  size_t passed = 0, claimed = 0, failed = 0, not_runnable = 0, unchecked = 0;
  double samples = 0;
  size_t shapes = 0, ties = 0;
  double median_share = 0, lower_share = 0, upper_share = 0;  ///< of the limit, of what is used; quartiles
  std::array<size_t, kMakers.size()> used{};                  ///< shapes at which a variant of the maker is used
  size_t faster = 0, slower = 0;  ///< shapes at which the best that no compiler made is so, beyond the intervals
  double mean_speedup = 0;        ///< of that over the compiler's best, over all shapes; 0: nothing to compare
  size_t compared = 0;            ///< at so many shapes
};
Glance glance_of(const Report& summary);

/// The middle of the values; 0 if there is none.
double quantile(std::vector<double> values, double share);

/// Whether at least one shape was timed.
bool has_times(const Report& summary);

}  // namespace assay
