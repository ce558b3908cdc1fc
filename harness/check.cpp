#include "harness/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>

#include "harness/child.h"
#include "harness/error.h"
#include "harness/trial.h"

namespace assay {
namespace {

using Clock = std::chrono::steady_clock;

/// What a child tells its parent, readable also after a crash.
struct Progress {
  std::atomic<uint64_t> samples;  ///< finished ones; also the sign of life
  ErrorStats errors;
  bool mismatch;
  char current[512];
  char worst[512];
  char message[1024];
};

void copy_text(char* to, size_t size, const std::string& from) {
  const size_t n = std::min(size - 1, from.size());
  std::memcpy(to, from.data(), n);
  to[n] = '\0';
}

/// Runs one case in this process. False: a mismatch, described in progress.
bool run_sample(const Variant& variant, const CaseId& id, GuardedPool& pool, Progress& progress) {
  const std::string text = to_string(id);
  copy_text(progress.current, sizeof progress.current, fmt::format("assay check --case '{}'", text));
  const double worst_before = progress.errors.worst_over_bound;
  try {
    Case c(variant, id, pool, progress.errors);
    find_kernel(variant.kernel).trial->run(c);
  } catch (const Mismatch& m) {
    copy_text(progress.message, sizeof progress.message, m.what());
    progress.mismatch = true;
    return false;
  } catch (const MachineError& e) {
    copy_text(progress.message, sizeof progress.message, e.what());
    progress.mismatch = true;
    return false;
  }
  if (progress.errors.worst_over_bound > worst_before) {
    copy_text(progress.worst, sizeof progress.worst, text);
  }
  progress.samples.fetch_add(1, std::memory_order_relaxed);
  return true;
}

/// A child at work and what is known of it.
struct Job {
  Job(size_t result_index, const std::function<void(Progress&)>& work)
      : index(result_index), memory(sizeof(Progress)), progress(*static_cast<Progress*>(memory.get())),
        child([&] { work(progress); }) {}

  size_t index;
  SharedMemory memory;
  Progress& progress;
  Child child;
  uint64_t last_samples = 0;
  Clock::time_point last_sign = Clock::now();

  /// True once there is a verdict.
  bool poll(double timeout, Verdict& verdict) {
    const uint64_t samples = progress.samples.load(std::memory_order_relaxed);
    const bool ended = child.poll();
    std::string problem;
    if (ended) {
      problem = progress.mismatch ? progress.message : child.end();
    } else {
      const auto now = Clock::now();
      if (samples != last_samples) {
        last_samples = samples;
        last_sign = now;
        return false;
      }
      if (std::chrono::duration<double>(now - last_sign).count() < timeout) {
        return false;
      }
      child.kill();
      problem = fmt::format("hang: no sample finished within {} s", timeout);
    }
    verdict.samples = progress.samples;
    verdict.errors = progress.errors;
    verdict.worst_case = progress.worst;
    if (problem.empty() && verdict.samples == 0) {
      problem = "no sample was run";  // nothing run is never a pass
    }
    verdict.status = problem.empty() ? Status::pass : Status::fail;
    if (!problem.empty()) {
      verdict.reason = problem;
      verdict.reproduce = progress.current;
    }
    return true;
  }
};

uint64_t hash_name(std::string_view s) {
  uint64_t h = 0xcbf29ce484222325u;  // FNV-1a: the same on every machine, unlike std::hash
  for (const char c : s) {
    h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  return h;
}

struct Selected {
  const Kernel* kernel;
  const Variant* variant;
};

std::vector<Selected> select(const CheckOptions& options, bool only_unary) {
  std::vector<Selected> selected;
  for (const auto& kernel : kernels()) {
    if (!glob_match(options.kernel_glob, kernel.name) || (only_unary && kernel.trial->unary_reference() == nullptr)) {
      continue;
    }
    for (const auto& variant : kernel.variants) {
      if (glob_match(options.variant_glob, variant.isa)) {
        selected.push_back({&kernel, &variant});
      }
    }
  }
  if (selected.empty()) {
    throw InputError(fmt::format("no variant matches --kernel '{}' --variant '{}'{}; `assay list` shows them all", options.kernel_glob,
                                 options.variant_glob, only_unary ? " with an exhaustive mode" : ""));
  }
  return selected;
}

Verdict new_verdict(const Variant& variant, uint64_t seed, const Cpu& cpu) {
  Verdict v;
  v.kernel = variant.kernel;
  v.variant = variant.isa;
  v.seed = seed;
  const IsaStatus status = isa_status(cpu, variant.isa);
  if (!status.runnable) {
    v.reason = status.reason;
  } else {
    v.status = Status::fail;  // until a child says otherwise
  }
  return v;
}

unsigned job_count(unsigned asked) { return asked != 0 ? asked : std::max(1u, std::thread::hardware_concurrency()); }

}  // namespace

std::string to_string(Status s) {
  switch (s) {
    case Status::pass: return "pass";
    case Status::fail: return "fail";
    default: return "not-runnable";
  }
}

nlohmann::json to_json(const Verdict& v) {
  return {{"kernel", v.kernel},
          {"variant", v.variant},
          {"status", to_string(v.status)},
          {"reason", v.reason},
          {"samples", v.samples},
          {"max_ulp", v.errors.max_ulp},
          {"worst_error_over_bound", v.errors.worst_over_bound},
          {"worst_case", v.worst_case},
          {"seed", v.seed},
          {"reproduce", v.reproduce}};
}

CaseId sample_case(const Kernel& kernel, const Variant& variant, uint64_t seed, uint64_t index) {
  CaseId id;
  id.variant = variant.name();
  // The kernel's name, not the variant's: all variants meet the same cases.
  id.seed = mix_seed(mix_seed(seed, hash_name(kernel.name)), index);
  Rng rng(mix_seed(id.seed, 1));
  id.shape = kernel.trial->draw_shape(rng, index);
  const auto classes = kernel.trial->classes();
  id.input_class = classes[rng.below(classes.size())];
  const size_t aliases = kernel.trial->aliases().size();
  id.alias = rng.below(2) == 0 ? 0 : rng.below(aliases);
  return id;
}

std::vector<Verdict> check(const Cpu& cpu, const CheckOptions& options) {
  const auto selected = select(options, false);
  std::vector<Verdict> verdicts;
  std::vector<std::unique_ptr<Job>> running;
  size_t next = 0;
  while (next < selected.size() || !running.empty()) {
    while (next < selected.size() && running.size() < job_count(options.jobs)) {
      const auto& [kernel, variant] = selected[next];
      verdicts.push_back(new_verdict(*variant, options.seed, cpu));
      if (verdicts.back().status == Status::not_runnable) {
        if (options.on_verdict) {
          options.on_verdict(verdicts.back());
        }
      } else {
        running.push_back(std::make_unique<Job>(next, [&](Progress& progress) {
          GuardedPool pool;
          const auto begin = Clock::now();
          for (uint64_t i = 0;; ++i) {
            if (options.seconds > 0 ? std::chrono::duration<double>(Clock::now() - begin).count() >= options.seconds
                                    : i >= options.samples) {
              return;
            }
            if (!run_sample(*variant, sample_case(*kernel, *variant, options.seed, i * options.stride), pool, progress)) {
              return;
            }
          }
        }));
      }
      ++next;
    }
    std::erase_if(running, [&](const std::unique_ptr<Job>& job) {
      if (!job->poll(options.timeout, verdicts[job->index])) {
        return false;
      }
      if (options.on_verdict) {
        options.on_verdict(verdicts[job->index]);
      }
      return true;
    });
    if (!running.empty()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return verdicts;
}

Verdict check_case(const Cpu& cpu, const CaseId& id, double timeout) {
  const Variant& variant = find_variant(id.variant);
  Verdict verdict = new_verdict(variant, id.seed, cpu);
  if (verdict.status == Status::not_runnable) {
    return verdict;
  }
  Job job(0, [&](Progress& progress) {
    GuardedPool pool;
    run_sample(variant, id, pool, progress);
  });
  while (!job.poll(timeout, verdict)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return verdict;
}

namespace {

class ProgressReporter : public SampleReporter {
 public:
  explicit ProgressReporter(Progress& progress) : progress_(progress) {}
  void begin(const std::string& reproduce) override {
    copy_text(progress_.current, sizeof progress_.current, reproduce);
  }
  void done(double error_over_bound) override {
    if (error_over_bound > progress_.errors.worst_over_bound) {
      progress_.errors.worst_over_bound = error_over_bound;
      std::memcpy(progress_.worst, progress_.current, sizeof progress_.worst);
    }
    progress_.samples.fetch_add(1, std::memory_order_relaxed);
  }
  void fail(const std::string& message) override {
    copy_text(progress_.message, sizeof progress_.message, message);
    progress_.mismatch = true;
  }

 private:
  Progress& progress_;
};

}  // namespace

Verdict run_in_child(const std::string& kernel, const std::string& variant, double timeout,
                     const std::function<void(SampleReporter&)>& work) {
  Verdict verdict;
  verdict.kernel = kernel;
  verdict.variant = variant;
  Job job(0, [&](Progress& progress) {
    ProgressReporter reporter(progress);
    work(reporter);
  });
  while (!job.poll(timeout, verdict)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return verdict;
}

namespace {

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
  const double magnitude = std::max(std::fabs(want), 0x1p-126);
  const double ulp = std::isfinite(want) ? std::ldexp(1.0, std::max(std::ilogb(magnitude) - 23, -149)) : 0;
  bool good = false;
  if (std::isnan(want) || std::isnan(got)) {
    good = std::isnan(want) && std::isnan(got);
  } else if (std::isinf(got)) {
    good = std::signbit(got) == std::signbit(want) && std::fabs(want) + limit * ulp >= 0x1.ffffffp127;
  } else if (std::isfinite(want)) {
    const double error = std::fabs(got - want) / ulp;
    good = error <= limit;
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
      children.push_back(std::make_unique<Child>([&] { exhaustive_worker(*kernel.trial, variants, j, jobs, shared); }));
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
          verdict.worst_case = fmt::format("x={:a}", std::bit_cast<float>(r.worst_input));
        }
        if (r.failed) {
          failure = r;
        }
      }
      if (!crashes[index].empty()) {
        verdict.reason = crashes[index];
      } else if (failure) {
        verdict.reason = fmt::format("f({:a}) is {:a}, expected {:a} within {} ULP", std::bit_cast<float>(failure->failing_input),
                                     failure->got, failure->want, kernel.trial->unary_ulp_limit());
      } else if (verdict.samples != uint64_t{1} << 32) {
        verdict.reason = fmt::format("only {} of 2^32 inputs were run: another variant crashed the worker", verdict.samples);
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
