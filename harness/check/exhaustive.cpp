// All 2^32 inputs of an elementwise function of one float.
#include <fmt/format.h>

#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <thread>

#include "harness/check/job.h"
#include "harness/check/trial.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;
constexpr uint64_t kChunk = 1 << 16;

/// The worst of one variant in one exhaustive worker.
struct ExhaustiveResult {
  uint64_t samples;
  ErrorStats errors;
  uint32_t worst_input;
  bool failed;
  uint32_t failing_input;
  float got;
  double want;
};
struct ExhaustiveShared {
  std::atomic<uint64_t> chunks;
  std::atomic<uint32_t> current;  ///< index of the variant that runs: to blame it for a crash
  ExhaustiveResult results[32];
};

using Unary = void(float*, const float*, size_t);

void judge_exhaustively(ExhaustiveResult& r, float x, float got, double want, double limit) {
  ++r.samples;
  const double ulp = std::isfinite(want) ? float_ulp(want) : 0;
  bool good = false;
  if (std::isnan(want) || std::isnan(got)) {
    good = std::isnan(want) && std::isnan(got);
  } else if (std::isinf(got)) {
    good = std::signbit(got) == std::signbit(want) && std::fabs(want) + limit * ulp >= 0x1.ffffffp127;
  } else if (std::isfinite(want)) {
    const double error = std::fabs(got - want) / ulp;
    // Under half of the least float the result is 0; zeros have the sign of the exact result.
    good = error <= limit && (got != 0 || std::signbit(got) == std::signbit(want)) &&
           (std::fabs(want) >= 0x1p-150 || got == 0);
    if (error > r.errors.max_ulp) {
      r.errors.max_ulp = error;
      r.errors.worst_over_bound = error / limit;
      r.worst_input = std::bit_cast<uint32_t>(x);
    }
  }
  if (!good && !r.failed) {
    r.failed = true;
    r.failing_input = std::bit_cast<uint32_t>(x);
    r.got = got;
    r.want = want;
  }
}

void exhaustive_worker(const Trial& trial, const std::vector<const Variant*>& variants, uint64_t first, uint64_t step,
                       ExhaustiveShared& shared) {
  std::vector<float> x(kChunk);
  std::vector<float> y(kChunk);
  std::vector<double> want(kChunk);
  std::vector<std::unique_ptr<JitCode>> code;
  std::vector<Unary*> functions;
  for (const Variant* v : variants) {
    AnyFn f = v->run;
    if (v->jit) {
      code.push_back(std::make_unique<JitCode>(*v, Key{kChunk}));
      f = code.back()->entry();
    }
    functions.push_back(reinterpret_cast<Unary*>(f));
  }
  for (uint64_t chunk = first; chunk < (uint64_t{1} << 32) / kChunk; chunk += step) {
    for (uint64_t i = 0; i < kChunk; ++i) {
      x[i] = std::bit_cast<float>(static_cast<uint32_t>(chunk * kChunk + i));
      want[i] = trial.unary_reference()(static_cast<double>(x[i]));
    }
    for (uint32_t v = 0; v < functions.size(); ++v) {
      shared.current = v;
      functions[v](y.data(), x.data(), kChunk);
      for (uint64_t i = 0; i < kChunk; ++i) {
        judge_exhaustively(shared.results[v], x[i], y[i], want[i], trial.unary_ulp_limit());
      }
    }
    shared.chunks.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace

std::vector<Verdict> check_exhaustively(const Cpu& cpu, const CheckOptions& options) {
  std::vector<Verdict> verdicts;
  const auto selected = select(options, true);
  for (auto begin = selected.begin(); begin != selected.end();) {
    const Kernel& kernel = *begin->kernel;
    const auto end = std::find_if(begin, selected.end(), [&](const Selected& s) { return s.kernel != &kernel; });
    std::vector<const Variant*> variants;
    const size_t first_verdict = verdicts.size();
    for (auto it = begin; it != end; ++it) {
      verdicts.push_back(new_verdict(*it->variant, 0, cpu));
      if (verdicts.back().status != Status::not_runnable) {
        variants.push_back(it->variant);
      }
    }
    begin = end;
    if (variants.empty()) {
      continue;
    }
    const unsigned jobs = job_count(options.jobs);
    std::vector<SharedMemory> memory;
    std::vector<std::unique_ptr<Child>> children;
    for (unsigned j = 0; j < jobs; ++j) {
      memory.emplace_back(sizeof(ExhaustiveShared));
      auto& shared = *static_cast<ExhaustiveShared*>(memory.back().get());
      children.push_back(
          std::make_unique<Child>([&] { exhaustive_worker(trial_of(kernel), variants, j, jobs, shared); }));
    }
    std::vector<std::string> crashes(variants.size());
    for (unsigned j = 0; j < jobs; ++j) {
      auto& shared = *static_cast<ExhaustiveShared*>(memory[j].get());
      uint64_t seen = 0;
      auto sign = Clock::now();
      while (!children[j]->poll()) {
        if (shared.chunks != seen) {
          seen = shared.chunks;
          sign = Clock::now();
        } else if (std::chrono::duration<double>(Clock::now() - sign).count() > options.timeout) {
          children[j]->kill();
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      if (!children[j]->end().empty()) {
        crashes[shared.current] = children[j]->end();
      }
    }
    size_t index = 0;
    for (size_t v = first_verdict; v < verdicts.size(); ++v) {
      Verdict& verdict = verdicts[v];
      if (verdict.status == Status::not_runnable) {
        continue;
      }
      std::optional<ExhaustiveResult> failure;
      for (const auto& m : memory) {
        const auto& r = static_cast<ExhaustiveShared*>(m.get())->results[index];
        verdict.samples += r.samples;
        if (r.errors.max_ulp > verdict.errors.max_ulp) {
          verdict.errors = r.errors;
          verdict.worst = fmt::format("x={:a}", std::bit_cast<float>(r.worst_input));
        }
        if (r.failed) {
          failure = r;
        }
      }
      if (!crashes[index].empty()) {
        verdict.reason = crashes[index];
      } else if (failure) {
        verdict.reason =
            fmt::format("f({:a}) is {:a}, expected {:a} within {} ULP", std::bit_cast<float>(failure->failing_input),
                        failure->got, failure->want, trial_of(kernel).unary_ulp_limit());
      } else if (verdict.samples != uint64_t{1} << 32) {
        verdict.reason =
            fmt::format("only {} of 2^32 inputs were run: another variant crashed the worker", verdict.samples);
      } else {
        verdict.status = Status::pass;
      }
      if (options.on_verdict) {
        options.on_verdict(verdict);
      }
      ++index;
    }
  }
  return verdicts;
}

}  // namespace assay
