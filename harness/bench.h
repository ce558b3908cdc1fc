#pragma once
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/check.h"
#include "harness/cpu.h"
#include "harness/peak.h"
#include "harness/trial.h"

namespace assay {

/// One variant (or the A/A control) at one shape: nanoseconds for one call.
struct Timing {
  std::string variant;
  bool control = false;            ///< the A/A control: the same variant once more
  std::vector<double> samples_ns;  ///< one for each repetition
  double median_ns = 0;
  double low_ns = 0, high_ns = 0;  ///< 95% bootstrap confidence interval of the median
  double generation_ns = 0;        ///< JIT: what its code took to generate, once; not in the samples
};

/// Every passing variant of a kernel at one shape, timed interleaved in random order.
struct ShapeTimings {
  std::string kernel;
  ShapeClass shape_class;
  Work work;
  std::vector<Timing> timings;  ///< in registry order; the control is not among them
  Timing control;               ///< of the variant it names
  std::string winner;           ///< the variant to use
  std::string runner_up;        ///< the fastest of the others; "" if there is none
  bool tie = false;             ///< the fastest was not clear of others: the winner is the simplest ISA within 2% of it
  double limit_ns = 0;          ///< what peak and bandwidth allow
  std::string limit;            ///< "mem bandwidth", "f32 peak", ...

  const Timing* find(std::string_view variant) const;
  /// How far the control lies from the variant it repeats, as a ratio >= 1.
  double control_ratio() const;
};

struct BenchOptions {
  std::string kernel_glob = "*";
  std::string variant_glob = "*";
  std::string filter = ".";  ///< a regular expression over "kernel/variant/label", as --benchmark_filter
  int repetitions = 15;
  double min_time = 0.02;  ///< seconds for each repetition
  bool quick = false;      ///< leave out shapes that do not fit L2, and cold caches
  std::function<void(const ShapeTimings&)> on_timings;
};

struct BenchResult {
  Peak peak;
  std::vector<ShapeTimings> shapes;
  nlohmann::json google;  ///< Google Benchmark's own JSON of every repetition
};

/// The variants of `kernel` that `verdicts` says passed, in registry order.
std::vector<const Variant*> passing_variants(const Kernel& kernel, const std::vector<Verdict>& verdicts,
                                             const std::string& variant_glob);

/// Times every variant that passed (`verdicts`) and matches. Throws InputError if nothing is left, MachineError in a
/// build without Google Benchmark.
BenchResult bench(const Cpu& cpu, const std::vector<Verdict>& verdicts, const BenchOptions& options);

/// Median and its 95% bootstrap interval (percentile method, 1000 resamples from a fixed seed).
void summarise(Timing& timing);

/// Names winner, runner-up and tie of `shape`: the fastest median wins if its interval clears the runner-up's and the
/// ratio exceeds the A/A control's; else the simplest ISA among those that it does not clear and that took at most 2%
/// longer.
void decide(ShapeTimings& shape);

nlohmann::json to_json(const ShapeTimings& shape);

/// A Variant with this as its `defect` is timed with a tenth more calls than are counted: exactly 10% slower.
inline constexpr const char* kSlowed = "slowed";

/// Times `variants` at one shape: medians, intervals and the decision. No timings if the filter leaves none.
ShapeTimings time_shape(const Kernel& kernel, const std::vector<const Variant*>& variants,
                        const ShapeClass& shape_class, const BenchOptions& options, nlohmann::json& google);

/// One group on Google Benchmark: fills timings' samples and the control's. bench_google.cpp.
void run_on_google_benchmark(const Kernel& kernel, const std::vector<const Variant*>& variants,
                             const BenchOptions& options, ShapeTimings& shape, nlohmann::json& google);

}  // namespace assay
