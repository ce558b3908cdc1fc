// All 2^32 inputs of an elementwise function of one float.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <memory>
#include <span>
#include <thread>

#include "harness/check/job.h"
#include "harness/check/trial.h"
#include "harness/runtime/jit_code.h"
#include "harness/runtime/plugin.h"

namespace assay {
namespace {

constexpr uint64_t kChunk = 1 << 16;
constexpr uint64_t kInputs = uint64_t{1} << 32;

using Unary = void(float*, const float*, size_t);

/// Whether one result is right; its error goes into `errors`.
bool judge(float got, double want, double limit, ErrorStats& errors) {
  const double ulp = std::isfinite(want) ? float_ulp(want) : 0;
  if (std::isnan(want) || std::isnan(got)) {
    return std::isnan(want) && std::isnan(got);
  }
  if (std::isinf(got)) {
    return std::signbit(got) == std::signbit(want) && std::fabs(want) + limit * ulp >= 0x1.ffffffp127;
  }
  if (!std::isfinite(want)) {
    return false;
  }
  const double error = std::fabs(static_cast<double>(got) - want) / ulp;
  errors.max_ulp = std::max(errors.max_ulp, error);
  errors.worst_over_bound = std::max(errors.worst_over_bound, error / limit);
  // Under half of the least float the result is 0; zeros have the sign of the exact result.
  return error <= limit && (got != 0 || std::signbit(got) == std::signbit(want)) &&
         (std::fabs(want) >= 0x1p-150 || got == 0);
}

/// The inputs of one chunk with the reference's results, and those of the variant that has just run.
struct Chunk {
  std::vector<float> x = std::vector<float>(kChunk);
  std::vector<float> y = std::vector<float>(kChunk);
  std::vector<double> want = std::vector<double>(kChunk);
  std::vector<float> nearest = std::vector<float>(kChunk);  ///< the float nearest to each exact result
};

/// Whether `kBlock` results are the nearest floats: what mostly is so, and the compiler makes vectors of it.
constexpr size_t kBlock = 16;
bool are_nearest(const float* got, const float* nearest) {
  uint32_t differences = 0;
  for (size_t i = 0; i < kBlock; ++i) {
    differences |= std::bit_cast<uint32_t>(got[i]) ^ std::bit_cast<uint32_t>(nearest[i]);
  }
  return differences == 0;
}

/// One variant's results of one chunk. The first wrong one of all chunks is its failure. The errors are those of results that are
/// not the nearest float, half an ULP and more.
void judge_chunk(const Chunk& chunk, double limit, SampleLog& log) {
  ErrorStats errors;
  size_t worst = 0;
  for (size_t i = 0; i < kChunk; ++i) {
    if (i % kBlock == 0 && are_nearest(&chunk.y[i], &chunk.nearest[i])) {
      i += kBlock - 1;
      continue;
    }
    if (std::bit_cast<uint32_t>(chunk.y[i]) == std::bit_cast<uint32_t>(chunk.nearest[i])) {
      continue;
    }
    const double before = errors.max_ulp;
    if (!judge(chunk.y[i], chunk.want[i], limit, errors) && log.failure() == nullptr) {
      log.fail(
          fmt::format("f({:a}) is {:a}, expected {:a} within {} ULP", chunk.x[i], chunk.y[i], chunk.want[i], limit));
    }
    worst = errors.max_ulp > before ? i : worst;
  }
  log.done(errors, kChunk, fmt::format("x={:a}", chunk.x[worst]));
}

/// Every `step`-th chunk from `first` on.
void exhaustive_worker(const Trial& trial, const std::vector<const Variant*>& variants, uint64_t first, uint64_t step,
                       std::span<SampleLog> logs) {
  std::vector<std::unique_ptr<JitCode>> code;
  std::vector<Unary*> functions;
  std::vector<std::string> commands;
  for (size_t v = 0; v < variants.size(); ++v) {
    const Variant& variant = *variants[v];
    commands.push_back(
        fmt::format("assay check --exhaustive --kernel {} --variant '{}'", variant.kernel, variant.label()));
    logs[v].begin(commands[v]);
    AnyFn f = run_of(variant);
    if (variant.jit) {
      code.push_back(std::make_unique<JitCode>(variant, Key{kChunk}));
      f = code.back()->entry();
    }
    functions.push_back(reinterpret_cast<Unary*>(f));
  }
  Chunk chunk;
  for (uint64_t number = first; number < kInputs / kChunk; number += step) {
    for (uint64_t i = 0; i < kChunk; ++i) {
      chunk.x[i] = std::bit_cast<float>(static_cast<uint32_t>(number * kChunk + i));
      chunk.want[i] = trial.unary_reference()(static_cast<double>(chunk.x[i]));
      chunk.nearest[i] = static_cast<float>(chunk.want[i]);
    }
    for (size_t v = 0; v < functions.size(); ++v) {
      logs[v].begin(commands[v]);
      functions[v](chunk.y.data(), chunk.x.data(), kChunk);
      judge_chunk(chunk, trial.unary_ulp_limit(), logs[v]);
    }
  }
}

/// The verdicts of one kernel's variants, all runnable.
void check_all_inputs(const Kernel& kernel, const std::vector<Verdict*>& verdicts, const CheckOptions& options) {
  std::vector<const Variant*> variants;
  for (const Verdict* v : verdicts) {
    variants.push_back(kernel.find(v->variant));
  }
  const uint64_t first = options.seed % options.stride;
  const uint64_t asked = (kInputs / kChunk - first + options.stride - 1) / options.stride * kChunk;
  const unsigned count = job_count(options.jobs);
  std::vector<std::unique_ptr<Job>> jobs;
  for (unsigned j = 0; j < count; ++j) {
    jobs.push_back(std::make_unique<Job>(variants.size(), [&](std::span<SampleLog> logs) {
      exhaustive_worker(trial_of(kernel), variants, first + j * options.stride, count * options.stride, logs);
    }));
  }
  while (!std::ranges::all_of(jobs, [&](auto& job) { return job->poll(options.timeout); })) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  for (size_t v = 0; v < verdicts.size(); ++v) {
    Verdict& verdict = *verdicts[v];
    for (const auto& job : jobs) {
      add_log(verdict, job->log(v));
    }
    if (verdict.reason.empty() && verdict.samples != asked) {
      verdict.reason =
          fmt::format("only {} of {} inputs were run: another variant crashed the worker", verdict.samples, asked);
      verdict.caught_by = "incomplete";
    }
    conclude(verdict);
    if (options.on_verdict) {
      options.on_verdict(verdict);
    }
  }
}

}  // namespace

std::vector<Verdict> check_exhaustively(const Cpu& cpu, const CheckOptions& options) {
  std::vector<Verdict> verdicts;
  const auto selected = select(options, true);
  for (const auto& [kernel, variant] : selected) {
    verdicts.push_back(new_verdict(*variant, 0, cpu));
  }
  for (size_t begin = 0, end = 0; begin < selected.size(); begin = end) {
    const Kernel& kernel = *selected[begin].kernel;
    std::vector<Verdict*> runnable;
    for (end = begin; end < selected.size() && selected[end].kernel == &kernel; ++end) {
      if (verdicts[end].status != Status::not_runnable) {
        runnable.push_back(&verdicts[end]);
      }
    }
    if (!runnable.empty()) {
      check_all_inputs(kernel, runnable, options);
    }
  }
  return verdicts;
}

}  // namespace assay
