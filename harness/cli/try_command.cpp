// One file with a kernel, from saved to a verdict, a time and a place among the others.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "harness/bench/bench.h"
#include "harness/bench/progress.h"
#include "harness/check/check.h"
#include "harness/check/not_made.h"
#include "harness/cli/commands.h"
#include "harness/cli/supervised.h"
#include "harness/cli/try_build.h"
#include "harness/runtime/dispatch.h"
#include "harness/runtime/error.h"
#include "harness/runtime/plugin.h"
#include "reports/bench_report.h"

namespace assay {
namespace {

struct TryArguments {
  TryOptions build;
  uint64_t samples = 2000, seed = 1;
  double timeout = 30;
  bool all = false, no_timing = false, watch = false, json = false, memory = false;
};

/// What the tried variants are timed beside: what dispatch would choose now, plain C++ and what the compiler made of it; or all.
std::set<std::string> rivals(const Cpu& cpu, const Kernel& kernel, const BenchOptions& options, bool all) {
  std::set<std::string> labels;
  Dispatch dispatch(cpu, Dispatch::Options{});
  for (const ShapeClass& c : classes_to_time(kernel, cpu.caches, options)) {
    labels.insert(dispatch.choose_variant(kernel.name, c.shape, c.cold).usual_label());
  }
  for (const Variant& v : kernel.variants) {
    const bool of_compiler = v.isa == "scalar" || v.isa.starts_with("auto_");
    if (!v.foreign && v.defect.empty() && (all || (of_compiler && v.nickname.empty()))) {
      labels.insert(v.label());
    }
  }
  return labels;
}

/// "2nd of 7: 1.13 x the time of avx512, the fastest; 0.61 x that of auto_v3, the compiler's best".
std::string place_of(const ShapeTimings& shape, const std::string& label) {
  const Timing& own = *shape.find(label);
  size_t faster = 0;
  const Timing* compiler = nullptr;
  for (const Timing& t : shape.timings) {
    faster += t.median_ns < own.median_ns;
    if ((t.variant == "scalar" || t.variant.starts_with("auto_")) &&
        (compiler == nullptr || t.median_ns < compiler->median_ns)) {
      compiler = &t;
    }
  }
  const Timing& fastest = shape.fastest();
  std::string text = fmt::format("  {} is number {} of {}", label, faster + 1, shape.timings.size());
  if (&fastest != &own) {
    text += fmt::format(": {:.2f} x the time of {}, the fastest{}", own.median_ns / fastest.median_ns, fastest.variant,
                        own.slower ? "" : " (not beyond doubt)");
  } else if (shape.timings.size() > 1) {
    text += shape.tie ? ": the fastest, but not beyond doubt" : ": the fastest";
  }
  if (compiler != nullptr && compiler != &fastest) {
    text += fmt::format("; {:.2f} x that of {}, the best of the compiler's", own.median_ns / compiler->median_ns,
                        compiler->variant);
  }
  if (shape.limit_ns > 0) {
    text += fmt::format("; {:.0f}% of the limit ({})", 100 * shape.limit_ns / own.median_ns, shape.limit);
  }
  return text;
}

void print_verdict_of_try(const Verdict& v) {
  fmt::print("{}/{}: {}", v.kernel, v.variant, to_string(v.status));
  if (v.status == Status::not_runnable) {
    fmt::print(": {}\n", v.reason);
    return;
  }
  fmt::print(", {} samples, at most {:.3g} ULP and {:.3g} x the bound\n", v.samples, v.errors.max_ulp,
             v.errors.worst_over_bound);
  if (const std::string claim = text_of_claim(v); !claim.empty()) {
    fmt::print("  claimed: {}\n", claim);
  }
  if (v.status == Status::fail) {
    fmt::print("  [{}] {}\n", v.caught_by, v.reason);
    if (v.failing_case) {
      fmt::print("{}", elements_of(*v.failing_case));
    }
    if (!v.reproduce.empty()) {
      fmt::print("  again: {}\n", v.reproduce);
    }
  }
}

int try_once(const TryArguments& a) {
  const std::string plugin = build_plugin(a.build);
  const auto library = add_plugin(plugin);
  const Cpu cpu = detect_cpu();
  CheckOptions options;
  options.kernel_glob = a.build.kernel.empty() ? "*" : a.build.kernel;
  options.variant_glob = library->name + ":*";
  options.samples = a.samples;
  options.seed = a.seed;
  options.timeout = a.timeout;
  options.accept_claims = true;
  if (!a.json) {
    options.on_verdict = print_verdict_of_try;
  }
  auto verdicts = check(cpu, options);
  const Summary summary = summarize(verdicts);
  auto json =
      nlohmann::json{{"plugin", plugin}, {"verdicts", nlohmann::json::array()}, {"timings", nlohmann::json::array()}};
  for (const Verdict& v : verdicts) {
    json["verdicts"].push_back(to_json(v));
  }
  if (!a.json) {
    for (const auto& what : checks_not_made(verdicts)) {
      fmt::print("not made here: {}\n", what);
    }
  }
  std::set<std::string> tried;  // kernels of which something is to be timed
  for (const Verdict& v : verdicts) {
    if (v.may_be_chosen()) {
      tried.insert(v.kernel);
    }
  }
  Progress progress;
  for (const auto& name : a.no_timing ? std::set<std::string>() : tried) {
    const Kernel& kernel = find_kernel(name);
    BenchOptions bench_options;
    bench_options.kernel_glob = name;
    bench_options.quick = !a.memory;
    bench_options.repetitions = 18;
    bench_options.min_time = 0.0005;
    bench_options.seed = a.seed;
    std::set<std::string> labels = rivals(cpu, kernel, bench_options, a.all);
    CheckOptions of_rivals;
    of_rivals.kernel_glob = name;
    of_rivals.variant_glob = fmt::format("{}", fmt::join(labels, ","));
    of_rivals.samples = 100;
    of_rivals.stride = 19;
    progress.show("check of those that it is timed beside");
    std::vector<Verdict> all = check(cpu, of_rivals);
    std::ranges::copy_if(verdicts, std::back_inserter(all), [&](const Verdict& v) { return v.kernel == name; });
    bench_options.on_progress = [&](const std::string& text) { progress.show("timing: " + text); };
    bench_options.on_timings = [&](const ShapeTimings& shape) {
      progress.clear();
      if (a.json) {
        json["timings"].push_back(to_json(shape));
        return;
      }
      fmt::print("{}", bench_text(shape));
      for (const Timing& t : shape.timings) {
        if (t.variant.starts_with(library->name + ":")) {
          fmt::print("{}\n", place_of(shape, t.variant));
        }
      }
      std::fflush(stdout);
    };
    try {
      bench(cpu, all, bench_options);
    } catch (const MachineError& e) {
      progress.clear();
      fmt::print(stderr, "assay: not timed: {}\n", e.what());
    }
    progress.clear();
  }
  if (a.json) {
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  if (summary.exit_status() == 3) {
    throw MachineError("nothing was checked: this machine runs none of it");
  }
  return summary.exit_status();
}

/// Tries the file now and at each change of it, in a process of its own, until Ctrl-C.
int watch(const TryArguments& a) {
  validate(a.build);  // what is wrong now is wrong at each change
  std::filesystem::file_time_type last{};
  for (;;) {
    std::error_code error;
    const auto now = std::filesystem::last_write_time(a.build.file, error);
    if (!error && now != last) {
      last = now;
      std::fflush(nullptr);
      const pid_t child = fork();
      if (child < 0) {
        throw MachineError(fmt::format("cannot start a process: {}", std::strerror(errno)));
      }
      if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);  // so that it takes its files along
        int status = 0;
        try {
          status = try_once(a);
        } catch (const std::exception& e) {
          fmt::print(stderr, "assay: {}\n", e.what());
          status = 2;
        }
        std::fflush(nullptr);
        _exit(status);
      }
      int status = 0;
      while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
      }
      fmt::print("-- {}: waiting for it to change; Ctrl-C ends\n", a.build.file);
      std::fflush(stdout);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

}  // namespace

void add_try_command(CLI::App& app, int& status) {
  auto a = std::make_shared<TryArguments>();
  auto* command = app.add_subcommand("try", "check and time one file with a kernel that you write");
  command
      ->add_option("FILE", a->build.file,
                   ".c .cc .cpp .cxx .asm .s .S .o or .so: with the kernel's function, or a plug-in")
      ->required();
  command->add_option("--kernel", a->build.kernel, "which it is; without, the file is a plug-in");
  command->add_option(
      "--isa", a->build.isa,
      "an ISA of `assay cpu`: compiled with its flags, and it may execute what that has (default: the best "
      "level of this CPU); jit_...: the function generates code");
  command->add_option("--symbol", a->build.symbol,
                      "the function's name (default: the kernel's, alone or with _ and an ISA's)");
  command->add_option("--cxx", a->build.compiler, "the compiler (default: $CXX or $CC, else c++ or cc)");
  command
      ->add_option("--flags", a->build.flags,
                   "further flags of the compiler or assembler: --flags=-O1, may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("--samples", a->samples, "of the check")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->capture_default_str();
  command->add_option("--seed", a->seed, "of the check")->capture_default_str();
  command->add_option("--timeout", a->timeout, "seconds without a finished sample that count as a hang")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command->add_flag("--all", a->all, "time it beside all variants, not just the chosen ones and the compiler's");
  command->add_flag("--memory", a->memory, "time it at shapes that fit no L2 cache, and with cold caches, too");
  auto* no_timing = command->add_flag("--no-timing", a->no_timing, "check it only");
  no_timing->excludes("--all")->excludes("--memory");
  auto* json = command->add_flag("--json", a->json, "for programs");
  command->add_flag("--watch", a->watch, "again at each change of the file")->excludes(json);
  command->callback([a, &status] {
    if (a->watch) {
      status = watch(*a);
    } else {
      continue_supervised();
      status = try_once(*a);
    }
  });
}

}  // namespace assay
