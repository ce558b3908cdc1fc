// The measured side of a prediction: cycles of a call on the CPU at hand.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>

#include "harness/check/check.h"
#include "harness/predict/predict.h"

namespace assay {
namespace {

/// The same characters, for a regular expression.
std::string literal(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char c) { return std::isalnum(c) == 0 && c != '_' && c != '/' && c != '-'; }, '.');
  return text;
}

}  // namespace

double core_ghz() {
  // Each addition needs the one before it: one cycle each on every x86-64 CPU. Of registers, because newer cores add
  // small immediates while renaming, in no time at all (Intel Optimization Reference Manual, Golden Cove).
  constexpr uint64_t kRounds = 10'000;
  constexpr double kAdditions = 16;
  double best = 0;
  for (int i = 0; i < 64; ++i) {  // some three milliseconds
    uint64_t rounds = kRounds;
    uint64_t x = 1;
    const auto begin = std::chrono::steady_clock::now();
    asm volatile(
        "1:\n\t"
        ".rept 16\n\t"
        "add %[x], %[x]\n\t"
        ".endr\n\t"
        "dec %[rounds]\n\t"
        "jnz 1b"
        : [x] "+r"(x), [rounds] "+r"(rounds)
        :
        : "cc");
    const double ns = std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count();
    best = std::max(best, static_cast<double>(kRounds) * kAdditions / ns);  // noise only ever slows
  }
  return best;
}

std::pair<double, double> measure(const Cpu& here, const PredictOptions& options,
                                  std::vector<Prediction>& predictions) {
  CheckOptions check_options;
  check_options.kernel_glob = options.kernel_glob;
  check_options.variant_glob = options.variant_glob;
  check_options.samples = 100;
  auto verdicts = check(here, check_options);

  BenchOptions bench_options;
  bench_options.kernel_glob = options.kernel_glob;
  bench_options.variant_glob = options.variant_glob;
  bench_options.repetitions = 5;
  bench_options.min_time = 0.01;
  bench_options.filter = "^(";
  for (const auto& p : predictions) {
    const std::string one = literal(p.kernel) + "/[^/]*/" + literal(p.shape_class.label);
    if (bench_options.filter.find(one) == std::string::npos) {
      bench_options.filter += (bench_options.filter.size() > 2 ? "|" : "") + one;
    }
  }
  bench_options.filter += ")$";
  double before = core_ghz();
  double low = before;
  double high = before;
  bench_options.on_timings = [&](const ShapeTimings& shape) {
    const double after = core_ghz();
    low = std::min(low, after);
    high = std::max(high, after);
    for (auto& p : predictions) {
      if (p.kernel == shape.kernel && p.shape_class.label == shape.shape_class.label) {
        if (const Timing* timing = shape.find(p.variant); timing != nullptr && !timing->samples_ns.empty()) {
          // The fastest repetition: llvm-mca predicts a core that nothing disturbs.
          p.measured_cycles_per_call = *std::ranges::min_element(timing->samples_ns) * (before + after) / 2;
        }
      }
    }
    if (options.on_progress) {
      options.on_progress(fmt::format("measured {}", shape.kernel));
    }
    before = after;
  };
  bench(here, verdicts, bench_options);
  return {low, high};
}

RatioSummary summarise_ratios(const std::vector<Prediction>& predictions, std::string_view isa) {
  RatioSummary summary;
  std::vector<double> ratios;
  for (const auto& p : predictions) {
    if (p.variant != isa || p.ratio() == 0) {
      continue;
    }
    ratios.push_back(p.ratio());
    if (ratios.size() == 1 || std::fabs(std::log(p.ratio())) > std::fabs(std::log(summary.worst))) {
      summary.worst = p.ratio();
      summary.worst_variant = p.kernel + "/" + p.variant;
    }
  }
  summary.count = ratios.size();
  if (!ratios.empty()) {
    std::ranges::sort(ratios);
    const size_t middle = ratios.size() / 2;
    summary.median = ratios.size() % 2 != 0 ? ratios[middle] : (ratios[middle - 1] + ratios[middle]) / 2;
  }
  return summary;
}

}  // namespace assay
