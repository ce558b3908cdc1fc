#pragma once
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "harness/bench/peak.h"
#include "harness/check/check.h"
#include "harness/check/trial.h"
#include "harness/runtime/cpu.h"

namespace assay {

/// One variant (or the A/A control) at one shape: nanoseconds for one call. All but the samples are of the quiet rounds.
struct Timing {
  std::string variant;
  bool control = false;  ///< the A/A control: the same variant once more
  std::vector<double>
      samples_ns;  ///< one for each round, the median of its slices: those of one index were taken in turn
  double median_ns = 0;
  double low_ns = 0, high_ns = 0;        ///< 95% bootstrap confidence interval of the median
  int64_t iterations = 0;                ///< calls of a slice
  double generation_ns = 0;              ///< JIT: what its code took to generate, once; not in the samples
  size_t packed_bytes = 0;               ///< of its packed weights; 0: it has none
  double packing_ns = 0;                 ///< what packing them took, by one thread, once; not in the samples
  double ratio = 1;                      ///< its time over that of the fastest of its shape: the median over the rounds
  double ratio_low = 1, ratio_high = 1;  ///< 99% bootstrap interval of that
  bool slower = false;                   ///< than the fastest, beyond doubt: see decide
  bool usable = true;  ///< false: it keeps only a claim that was not accepted, so it is none to choose
};

/// The variants of a kernel at one shape, timed in rounds: each round all of them, in another order.
struct ShapeTimings {
  std::string kernel;
  ShapeClass shape_class;
  Work work;
  double file_bytes = 0;         ///< of the weights, before they are packed; 0: the kernel packs none
  std::vector<Timing> timings;   ///< in registry order; the control is not among them
  Timing control;                ///< of the variant it names
  std::vector<double> probe_ns;  ///< one for each round: see probe_machine
  std::vector<size_t> quiet;     ///< the rounds that count: see find_quiet_rounds
  std::string reference;         ///< the variant that ratios are to, once decided: see fastest
  std::string winner;            ///< the variant to use
  std::string runner_up;         ///< the fastest of the others; "" if there is none
  bool tie = false;              ///< others are not slower than the fastest beyond doubt
  double limit_ns = 0;           ///< what peak and bandwidth allow; 0: not measured
  std::string limit;             ///< "mem bandwidth", "f32 peak", ...

  const Timing* find(std::string_view variant) const;
  /// Of the usable: round by round once that is decided, till then by median.
  const Timing& fastest() const;
  /// How far the control lies from the variant it repeats: the median ratio over the rounds, or its inverse if that is
  /// over 1.
  double control_ratio() const;
};

/// To tune with: a variant this many times slower than the fastest is no candidate.
inline constexpr double kHopeless = 1.5;
/// And this many times at the first, smallest class of a kernel, it is none for the others either.
inline constexpr double kHopelessEverywhere = 3;

struct BenchOptions {
  std::string kernel_glob = "*";
  std::string variant_glob = "*";
  std::string filter = ".";  ///< a regular expression over "kernel/variant/label", as --benchmark_filter
  int repetitions = 30;      ///< rounds
  double min_time = 0.003;   ///< seconds of each variant in each round, one call at least
  bool quick = false;        ///< leave out shapes that do not fit L2, and cold caches
  /// If not empty: kernel -> shapes to time in place of the trials' own classes. Kernels that are not there are left out.
  std::map<std::string, std::vector<Shape>> shapes;
  /// The sizes of each class to time, in percent of its own.
  std::vector<int> percents = {100};
  /// Time what find_gaps finds between these.
  bool refine = false;
  /// Variants that keep only claims which were not accepted are timed beside those that may be chosen.
  bool time_claimed = false;
  /// Variants that take over this many times the fastest's time in the first five rounds are left out of the others; where that is
  /// finite, those over kHopelessEverywhere at a kernel's first class are neither checked nor timed at its other shapes.
  double drop_over = std::numeric_limits<double>::infinity();
  /// More rounds for shapes of which the winner may still lose over 3%.
  int extra_rounds = 0;
  uint64_t seed = 1;                               ///< of the check at those shapes
  std::function<void(const Verdict&)> on_verdict;  ///< of that check
  std::function<void(const ShapeTimings&)> on_timings;
  std::function<void(const std::string&)> on_progress;  ///< receives what is timed next
};

struct BenchResult {
  Peak peak;           ///< the larger of what was measured before and after
  std::string raised;  ///< which limits were seen to be larger after the shapes were told to on_timings; "": none
  std::vector<ShapeTimings> shapes;
  nlohmann::json google;  ///< Google Benchmark's own JSON of every repetition
};

/// The variants of `kernel` that `verdicts` says passed, in registry order.
std::vector<const Variant*> passing_variants(const Kernel& kernel, const std::vector<Verdict>& verdicts,
                                             const std::string& variant_glob);

/// Times every variant that passed (`verdicts`) and matches. Throws InputError if nothing is left.
///
/// Before, each is checked at the shape of each class, and a size less and more: what fails there is in its verdict, and not timed.
BenchResult bench(const Cpu& cpu, std::vector<Verdict>& verdicts, const BenchOptions& options);

/// What is timed of a kernel: the classes of its trial, or those shapes that the options name.
std::vector<ShapeClass> classes_to_time(const Kernel& kernel, const CacheInfo& caches, const BenchOptions& options);

/// Whether a class is timed where BenchOptions::quick is asked for.
bool is_quick(const Kernel& kernel, const ShapeClass& shape_class, const CacheInfo& caches);

/// One shape to time.
struct TimingJob {
  const Kernel* kernel;
  std::vector<const Variant*> variants;  ///< of the kernel; the control repeats the last
  ShapeClass shape_class;
  bool checked = false;                         ///< at the shapes of its class: see check_timed_shapes
  std::vector<const Variant*> not_usable = {};  ///< of the variants: timed, but not to be chosen
};

/// Those of the job's variants that the options' filter has and whose claims, if they have some, hold for its shape. Throws InputError if it is no regular expression.
std::vector<const Variant*> selected_variants(const TimingJob& job, const BenchOptions& options);

/// Checks and times the first class of each kernel, in a few rounds, and takes what is hopeless there out of all jobs of the kernel: most
/// of a check's time at large shapes would go to x87 and plain C++, which nobody would choose.
void drop_hopeless(const Cpu& cpu, std::vector<TimingJob>& jobs, std::vector<Verdict>& verdicts,
                   const BenchOptions& options);

/// What the filter is held against: "kernel/variant/label".
std::string name_of_timing(const Variant& variant, const ShapeClass& shape_class);

/// Times the variants of each job, decided, in the order of the jobs; those of which the filter leaves nothing are not
/// among them. One round of each job follows another, so that the rounds of a job lie far apart: what disturbs a shared
/// machine often outlasts many of them. Each round has its buffers elsewhere; large ones, which take longer to make than to
/// time, stay for five. `on_done` (may be empty) is called for each after its last round.
std::vector<ShapeTimings> time_shapes(const std::vector<TimingJob>& jobs, const BenchOptions& options,
                                      nlohmann::json& google, const std::function<void(ShapeTimings&)>& on_done = {});

/// Nanoseconds for a sum of three arrays in the L2 cache: how much other tenants of the core disturb.
double probe_machine();

/// Rounds whose probe took over 6% more than the quietest tenth's.
size_t count_disturbed(const std::vector<double>& probe_ns);

/// The rounds that were not disturbed so, but `fewest` at least: another tenant of the core makes some
/// variants slower than others, even their order another, and that is not the CPU's doing. It is not told from the timings
/// themselves: of two variants that vary, the rounds that went fastest favour the one that varies more.
std::vector<size_t> find_quiet_rounds(const std::vector<double>& probe_ns, size_t fewest = 9);

double median_of(std::vector<double> values);

/// A median and its bootstrap interval (percentile method, 1000 resamples from a fixed seed).
struct Estimate {
  double median, low, high;
};
Estimate estimate(const std::vector<double>& values, double confidence = 0.95);

/// The most that the winner may lose to another variant: the upper end of the interval of its time over the other's.
double possible_loss(const ShapeTimings& shape);

/// The shapes of each class of each kernel, which follow each other in `shapes`, apart.
std::vector<std::span<const ShapeTimings>> by_class(std::span<const ShapeTimings> shapes);

/// The size in the middle (geometrically) of the neighbours `index` and `index` + 1 among the `sizes` of one class.
ShapeClass middle_of(std::span<const ShapeTimings> sizes, size_t index);

/// What to time also: the sizes in the middle of two neighbours at which no variant is, at both, within 1% of the fastest.
std::vector<TimingJob> find_gaps(std::span<const ShapeTimings> shapes);

/// What to use at several shapes.
struct Winner {
  std::string variant, runner_up;  ///< the runner-up is "" if there is no other
  bool tie = false;                ///< others are nowhere slower beyond doubt
  double ratio = 1;                ///< the variant's time over the fastest's, at the worst of the shapes
  double runner_up_ratio = 1;      ///< likewise
};

/// The variant that loses least at the worst of `shapes` (of one kernel, decided); unless simpler ISAs are nowhere slower
/// beyond doubt and everywhere seen to lose at most 2%: then the simplest of them.
Winner winner_of(std::span<const ShapeTimings> shapes);

/// Fills all that follows from the samples. Each variant is compared with the one of the fastest median, round by round:
/// it is slower beyond doubt if the 99% interval of the ratios (95% would be wrong for one pair in twenty, and a shape has
/// ten) lies over 1 and their median over the control's.
void decide(ShapeTimings& shape);

nlohmann::json to_json(const ShapeTimings& shape);

/// A Variant with this as its `defect` is timed with a tenth more calls than are counted: exactly 10% slower.
inline constexpr const char* kSlowed = "slowed";

/// `rounds` times every variant of the job and the control (of the last), each round in another order; the samples and
/// probes are appended to `shape`. `placement`: where the buffers lie. bench_google.cpp.
void run_on_google_benchmark(const TimingJob& job, const BenchOptions& options, int rounds, int placement,
                             ShapeTimings& shape, nlohmann::json& google);

}  // namespace assay
