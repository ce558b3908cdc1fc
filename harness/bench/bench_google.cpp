// The one file that knows Google Benchmark: one group of benchmarks for each kernel and shape, its repetitions
// interleaved in random order.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <memory>
#include <sstream>
#include <utility>

#include "harness/bench/bench.h"
#include "harness/bench/timed_case.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

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

class Collector : public benchmark::BenchmarkReporter {
 public:
  explicit Collector(ShapeTimings& shape) : shape_(shape) { json_.SetOutputStream(&text_); }

  bool ReportContext(const Context& context) override {
    return std::exchange(begun_, true) || json_.ReportContext(context);  // each round reports it again
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    std::vector<Run> kept;
    for (const Run& run : runs) {
      if (run.error_occurred) {
        throw MachineError(fmt::format("{}: {}", run.benchmark_name(), run.error_message));
      }
      if (run.run_type != Run::RT_Iteration) {
        continue;
      }
      kept.push_back(run);
      kept.back().run_name.iterations.clear();               // known from the second round on: one name for all
      const std::string& name = run.run_name.function_name;  // kernel/variant/label[/control]
      const size_t slash = name.find('/');
      const std::string variant = name.substr(slash + 1, name.find('/', slash + 1) - slash - 1);
      // CPU time: another process on this core is not the kernel's fault. With cold caches it would count the eviction.
      const double time = shape_.shape_class.cold ? run.GetAdjustedRealTime() : run.GetAdjustedCPUTime();
      const double ns = time * 1e9 / benchmark::GetTimeUnitMultiplier(run.time_unit);
      const bool control = name.ends_with("/control");
      if (!control && shape_.find(variant) == nullptr) {
        shape_.timings.emplace_back();
        shape_.timings.back().variant = variant;
      }
      Timing& timing = control ? shape_.control : *std::ranges::find(shape_.timings, variant, &Timing::variant);
      timing.variant = variant;
      timing.control = control;
      timing.iterations = run.iterations;
      timing.samples_ns.push_back(ns);
    }
    json_.ReportRuns(kept);
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
  initialise(job.shape_class.cold ? kCold * options.min_time : options.min_time);
  BenchStore store(placement);
  std::vector<size_t> batches(variants.size() + 1, 0);
  std::vector<benchmark::internal::Benchmark*> registered;
  const auto add = [&](size_t index, const Variant& variant, const std::string& suffix) {
    const std::string name = name_of_timing(variant, job.shape_class) + suffix;
    size_t& batch = batches[index];
    auto* benchmark = benchmark::RegisterBenchmark(name.c_str(), [&](benchmark::State& state) {
      GoogleTimer warm(state, batch, variant.defect == kSlowed);
      ColdTimer cold(state, store);
      CallTimer& timer = job.shape_class.cold ? static_cast<CallTimer&>(cold) : warm;
      TimedCase c(variant, job.shape_class.shape, store, timer);
      trial_of(*job.kernel).run(c);
    });
    if (job.shape_class.cold) {
      benchmark->UseManualTime();
    }
    registered.push_back(benchmark);
  };
  for (size_t i = 0; i < variants.size(); ++i) {
    add(i, *variants[i], "");
  }
  add(variants.size(), *variants.back(), "/control");
  Collector collector(shape);
  for (int round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < registered.size(); ++i) {  // the first of all rounds finds how many fill min_time
      const Timing* timing = i == variants.size() ? &shape.control : shape.find(variants[i]->label());
      if (timing != nullptr && timing->iterations > 0) {
        registered[i]->Iterations(timing->iterations);
      }
    }
    shape.probe_ns.push_back(probe_machine());
    // All that are registered: the filter is of our names, and Google Benchmark appends to its own.
    benchmark::RunSpecifiedBenchmarks(&collector, nullptr, ".");
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
