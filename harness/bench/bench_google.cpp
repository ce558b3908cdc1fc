// The one file that knows Google Benchmark: one group of benchmarks for each kernel and shape. A round times each variant in short slices, all of
// them in random order, and takes the median of a variant's. A shared machine is taken away for a millisecond at a time: that disturbs some slices,
// where it would a good part of one long one.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <sstream>
#include <utility>

#include "harness/bench/bench.h"
#include "harness/bench/timed_case.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

constexpr double kSlice = 1e-4;       // seconds
constexpr double kMostSlices = 1000;  // of a round

/// One call at a time, its data evicted before. The clock's own 20 to 40 ns are inside, the same for every variant.
class ColdTimer : public CallTimer {
 public:
  ColdTimer(benchmark::State& state, const BenchStore& store) : state_(state), store_(store) {}

  void time(const std::function<void(size_t)>& repeat) override {
    repeat(1);  // the code is warm: only the data is not
    while (state_.KeepRunning()) {
      store_.evict();
      const auto begin = std::chrono::steady_clock::now();
      repeat(1);
      state_.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
    }
  }

 private:
  benchmark::State& state_;
  const BenchStore& store_;
};

class GoogleTimer : public CallTimer {
 public:
  /// `slowed`: each batch runs a tenth more calls than it counts.
  GoogleTimer(benchmark::State& state, size_t& batch, bool slowed) : state_(state), batch_(batch), slowed_(slowed) {}

  void time(const std::function<void(size_t)>& repeat) override {
    if (batch_ == 0) {
      calibrate(repeat);
    }
    repeat(1);  // touch everything: the first call after set-up has the wrong things in the caches
    while (state_.KeepRunningBatch(static_cast<benchmark::IterationCount>(batch_))) {
      repeat(slowed_ ? batch_ + batch_ / 10 : batch_);
    }
  }

 private:
  // Batches of at least 10 us, so that the loop around the call costs nothing.
  void calibrate(const std::function<void(size_t)>& repeat) {
    repeat(1);
    for (batch_ = 1; batch_ < (1u << 20); batch_ *= 2) {
      const auto begin = std::chrono::steady_clock::now();
      repeat(batch_);
      if (std::chrono::steady_clock::now() - begin > std::chrono::microseconds(10)) {
        break;
      }
    }
    if (slowed_) {
      batch_ = (batch_ + 9) / 10 * 10;  // so that a tenth is a whole number
    }
  }

  benchmark::State& state_;
  size_t& batch_;
  bool slowed_;
};

/// Of a benchmark: calls, and nanoseconds for each.
struct Slice {
  int64_t calls = 0;
  double ns = 0;
};

/// Throws MachineError if it could not be run.
Slice slice_of(const benchmark::BenchmarkReporter::Run& run, bool cold) {
  if (run.error_occurred) {
    throw MachineError(fmt::format("{}: {}", run.benchmark_name(), run.error_message));
  }
  // CPU time: another process on this core is not the kernel's fault. With cold caches it would count the eviction.
  const double time = cold ? run.GetAdjustedRealTime() : run.GetAdjustedCPUTime();
  return {run.iterations, time * 1e9 / benchmark::GetTimeUnitMultiplier(run.time_unit)};
}

/// How many calls fill a slice, by the benchmark's name.
class Pilot : public benchmark::BenchmarkReporter {
 public:
  explicit Pilot(bool cold) : cold_(cold) {}

  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      slices[run.run_name.function_name] = slice_of(run, cold_);
    }
  }

  std::map<std::string, Slice> slices;

 private:
  bool cold_;
};

class Collector : public benchmark::BenchmarkReporter {
 public:
  explicit Collector(ShapeTimings& shape) : shape_(shape) { json_.SetOutputStream(&text_); }

  bool ReportContext(const Context& context) override {
    return std::exchange(begun_, true) || json_.ReportContext(context);  // each round reports it again
  }

  /// The slices of one benchmark in one round; then once more their mean and the like, which are not wanted.
  void ReportRuns(const std::vector<Run>& runs) override {
    std::vector<Run> slices;
    std::ranges::copy_if(runs, std::back_inserter(slices),
                         [](const Run& run) { return run.run_type == Run::RT_Iteration; });
    if (slices.empty()) {
      return;
    }
    const bool cold = shape_.shape_class.cold;
    const auto middle = slices.begin() + static_cast<std::ptrdiff_t>(slices.size() / 2);
    std::ranges::nth_element(slices, middle, {}, [&](const Run& run) { return slice_of(run, cold).ns; });
    Run median = *middle;
    // One name in all rounds, which know more of how much to run from the second on.
    median.run_name.iterations.clear();
    median.run_name.repetitions.clear();
    median.repetitions = 1;
    median.repetition_index = 0;
    const std::string& name = median.run_name.function_name;  // kernel/variant/label[/control]
    const size_t slash = name.find('/');
    const std::string variant = name.substr(slash + 1, name.find('/', slash + 1) - slash - 1);
    const bool control = name.ends_with("/control");
    if (!control && shape_.find(variant) == nullptr) {
      shape_.timings.emplace_back();
      shape_.timings.back().variant = variant;
    }
    Timing& timing = control ? shape_.control : *std::ranges::find(shape_.timings, variant, &Timing::variant);
    timing.variant = variant;
    timing.control = control;
    const auto [calls, ns] = slice_of(median, cold);
    timing.iterations = calls;
    timing.samples_ns.push_back(ns);
    json_.ReportRuns({median});
  }

  void append_to(nlohmann::json& google) {
    json_.Finalize();
    auto json = nlohmann::json::parse(text_.str(), nullptr, false);
    if (json.is_discarded()) {
      return;  // the filter matched nothing, so nothing was reported
    }
    if (google.is_null()) {
      google = json;
    } else {
      for (auto& b : json["benchmarks"]) {
        google["benchmarks"].push_back(b);
      }
    }
  }

 private:
  ShapeTimings& shape_;
  bool begun_ = false;
  std::stringstream text_;
  benchmark::JSONReporter json_;
};

void initialise(double min_time) {
  static char name[] = "assay";  // the library keeps the pointer
  std::vector<std::string> words = {fmt::format("--benchmark_min_time={}", min_time),
                                    "--benchmark_enable_random_interleaving=true"};
  std::vector<char*> argv = {name};
  for (auto& w : words) {
    argv.push_back(w.data());
  }
  auto argc = static_cast<int>(argv.size());
  benchmark::Initialize(&argc, argv.data());
}

}  // namespace

void run_on_google_benchmark(const TimingJob& job, const BenchOptions& options, int rounds, int placement,
                             ShapeTimings& shape, nlohmann::json& google) {
  const std::vector<const Variant*> variants = selected_variants(job, options);
  if (variants.empty()) {
    return;
  }
  constexpr double kCold = 0.2;  // to evict takes many times as long as what is timed
  const bool cold = job.shape_class.cold;
  const double round_time = cold ? kCold * options.min_time : options.min_time;
  initialise(cold ? round_time : std::min(round_time, kSlice));
  BenchStore store(placement);
  std::vector<size_t> batches(variants.size() + 1, 0);
  std::vector<benchmark::internal::Benchmark*> registered;
  std::vector<std::string> names;  // of those
  const auto add = [&](size_t index, const Variant& variant, const std::string& suffix) {
    const std::string& name = names.emplace_back(name_of_timing(variant, job.shape_class) + suffix);
    size_t& batch = batches[index];
    auto* benchmark = benchmark::RegisterBenchmark(name.c_str(), [&](benchmark::State& state) {
      GoogleTimer warm(state, batch, variant.defect == kSlowed);
      ColdTimer evicting(state, store);
      CallTimer& timer = cold ? static_cast<CallTimer&>(evicting) : warm;
      TimedCase c(variant, job.shape_class.shape, store, timer);
      trial_of(*job.kernel).run(c);
    });
    if (cold) {
      benchmark->UseManualTime();
    }
    registered.push_back(benchmark);
  };
  for (size_t i = 0; i < variants.size(); ++i) {
    add(i, *variants[i], "");
  }
  add(variants.size(), *variants.back(), "/control");
  // All that are registered: the filter is of our names, and Google Benchmark appends to its own.
  const auto run_all = [](benchmark::BenchmarkReporter& reporter) {
    benchmark::RunSpecifiedBenchmarks(&reporter, nullptr, ".");
  };
  Pilot pilot(cold);
  const bool is_first = shape.timings.empty();
  if (is_first) {
    run_all(pilot);
  }
  const auto slice_before = [&](size_t i) -> Slice {
    if (is_first) {
      return pilot.slices.at(names[i]);
    }
    const Timing& timing = i == variants.size() ? shape.control : *shape.find(variants[i]->label());
    return {timing.iterations, timing.samples_ns.front()};
  };
  for (size_t i = 0; i < registered.size(); ++i) {
    const auto [calls, ns] = slice_before(i);
    if (cold) {
      registered[i]->Iterations(calls)->Repetitions(1);
      continue;
    }
    // Before each slice is a call that does not count: beside that there are four of long ones, if they fit in a round.
    const double fitting = round_time / (ns * 1e-9);
    const int64_t more = std::max(calls, static_cast<int64_t>(std::min(4.0, fitting)));
    registered[i]->Iterations(more);
    registered[i]->Repetitions(
        static_cast<int>(std::clamp(std::round(fitting / static_cast<double>(more)), 1.0, kMostSlices)));
  }
  Collector collector(shape);
  for (int round = 0; round < rounds; ++round) {
    shape.probe_ns.push_back(probe_machine());
    run_all(collector);
  }
  benchmark::ClearRegisteredBenchmarks();
  collector.append_to(google);
  for (Timing& t : shape.timings) {
    const auto timed = std::ranges::find(variants, t.variant, &Variant::label);
    if (timed == variants.end()) {
      continue;  // dropped after earlier rounds
    }
    t.usable = std::ranges::count(job.not_usable, *timed) == 0;
    if (t.generation_ns == 0) {
      t.generation_ns = 1e9 * store.generation_seconds(**timed);
    }
    if (const auto [bytes, seconds] = store.packing(**timed); bytes != 0) {
      t.packing_ns = t.packed_bytes == 0 ? 1e9 * seconds : std::min(t.packing_ns, 1e9 * seconds);
      t.packed_bytes = bytes;
    }
  }
  // The order of registration, not of the report.
  std::ranges::sort(shape.timings, {}, [&](const Timing& t) {
    return std::pair(job.kernel->find(without_parameters(t.variant)), t.variant);
  });
}

}  // namespace assay
