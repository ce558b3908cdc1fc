#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/bench/progress.h"
#include "harness/check/selftest.h"
#include "harness/check/single_step.h"
#include "harness/cli/commands.h"
#include "harness/runtime/error.h"
#include "harness/runtime/program_file.h"

namespace assay {
namespace {

struct SelftestArguments {
  SelftestOptions options;
  uint64_t false_alarm_seeds = 0;
  bool list = false;
  bool no_stepping = false;
  bool json = false;
};

void print_result(const SelftestResult& r) {
  if (!r.runnable) {
    fmt::print("{:<62} not-runnable: {}\n", r.defect.variant, r.reason);
    return;
  }
  const bool good = r.caught == r.seeds;
  fmt::print("{:<62} {} {}/{} seeds, by {} (within {} samples)\n", r.defect.variant, good ? "caught" : "MISSED",
             r.caught, r.seeds, fmt::join(r.seen_by, ", "), r.most_samples);
  if (!r.missed_seeds.empty()) {
    fmt::print("    passed with seeds {}: {}\n", fmt::join(r.missed_seeds, ", "), r.defect.what);
  }
  if (!r.caught_by_other.empty()) {
    fmt::print("    caught by another check than declared ({}): {}\n", r.defect.caught_by, r.caught_by_other);
  }
  std::fflush(stdout);
}

int run_defects(const SelftestArguments& a) {
  struct Count {
    size_t planted = 0, caught = 0, not_runnable = 0;
  };
  std::map<std::string, Count> by_class;
  Count all;
  auto json = nlohmann::json::array();
  const auto print = [&](const SelftestResult& r) {
    if (a.json) {
      json.push_back(to_json(r));
    } else {
      print_result(r);
    }
  };
  for (const SelftestResult& r : selftest(detect_cpu(), a.options, print)) {
    for (Count* c : {&by_class[r.defect.defect_class], &all}) {
      ++c->planted;
      c->not_runnable += !r.runnable;
      c->caught += r.runnable && r.caught == r.seeds;
    }
  }
  if (a.json) {
    fmt::print("{}\n", json.dump(2));
  } else {
    fmt::print("\n{:<12} {:>8} {:>8} {:>13}\n", "class", "caught", "planted", "not-runnable");
    for (const auto& [name, c] : by_class) {
      fmt::print("{:<12} {:>8} {:>8} {:>13}\n", name, c.caught, c.planted, c.not_runnable);
    }
    fmt::print("{:<12} {:>8} {:>8} {:>13}\n", "all", all.caught, all.planted, all.not_runnable);
    if (!a.options.large) {
      const auto large = std::ranges::count(planted_defects(), true, &Defect::large);
      fmt::print("{} more are for `assay selftest --large`: buffers of over 2^31 bytes\n", large);
    }
  }
  return all.caught + all.not_runnable == all.planted && all.caught > 0 ? 0 : 1;
}

/// Every true variant with many seeds: a failure accuses correct code, or finds what nobody planted.
int run_false_alarms(const SelftestArguments& a) {
  const Cpu cpu = detect_cpu();
  Progress progress;
  uint64_t samples = 0;
  uint64_t runs = 0;
  uint64_t failures = 0;
  for (uint64_t s = 0; s < a.false_alarm_seeds; ++s) {
    CheckOptions options;
    options.seed = a.options.first_seed + s;
    options.samples = a.options.samples;
    options.jobs = a.options.jobs;
    options.on_verdict = [&](const Verdict& v) {
      if (v.status == Status::not_runnable) {
        return;
      }
      samples += v.samples;
      ++runs;
      if (v.status == Status::fail) {
        ++failures;
        progress.clear();
        fmt::print("{}/{} seed {}: {}: {}\n    {}\n", v.kernel, v.variant, v.seed, v.caught_by, v.reason, v.reproduce);
        std::fflush(stdout);
      }
    };
    check(cpu, options);
    progress.show(fmt::format("seed {} of {}: {} samples, {} failures", s + 1, a.false_alarm_seeds, samples, failures));
  }
  progress.clear();
  fmt::print("{} seeds, {} checks of true variants, {} samples: {} failed\n", a.false_alarm_seeds, runs, samples,
             failures);
  return failures == 0 && runs > 0 ? 0 : 1;
}

/// The planted defects are in an executable of their own, beside this one.
[[noreturn]] void run_executable_with_defects() {
  const std::filesystem::path self = program_file();
  const std::string other = self.parent_path() / "assay_selftest";
  if (self.filename() == "assay_selftest" || access(other.c_str(), X_OK) != 0) {
    throw MachineError(
        fmt::format("there is no {}: the planted defects are built apart; build the target assay_selftest", other));
  }
  std::vector<std::string> words;
  const std::string bytes = [] {
    std::string all;
    std::FILE* f = std::fopen("/proc/self/cmdline", "r");
    std::array<char, 4096> part{};
    for (size_t n = 0; f != nullptr && (n = std::fread(part.data(), 1, part.size(), f)) > 0;) {
      all.append(part.data(), n);
    }
    if (f != nullptr) {
      std::fclose(f);
    }
    return all;
  }();
  for (size_t begin = 0; begin < bytes.size();) {
    words.emplace_back(bytes.c_str() + begin);
    begin += words.back().size() + 1;
  }
  std::vector<char*> argv;
  for (auto& w : words) {
    argv.push_back(w.data());
  }
  argv.push_back(nullptr);
  execv(other.c_str(), argv.data());
  throw MachineError(fmt::format("cannot run {}", other));
}

int run_selftest(const SelftestArguments& a) {
  if (a.no_stepping) {
    forbid_single_step();
  }
  if (a.false_alarm_seeds > 0) {
    return run_false_alarms(a);
  }
  if (planted_defects().empty()) {
    run_executable_with_defects();
  }
  if (a.list) {
    auto all = planted_defects();
    std::ranges::copy(harness_defects(), std::back_inserter(all));
    for (const Defect& d : all) {
      fmt::print("{}\n    {}\n    stands for: {}\n", d.variant, d.what, d.stands_for);
    }
    return 0;
  }
  return run_defects(a);
}

}  // namespace

void add_selftest_command(CLI::App& app, int& status) {
  auto a = std::make_shared<SelftestArguments>();
  auto* command = app.add_subcommand(
      "selftest", "the harness's own test: are planted defects caught, and correct variants not accused?");
  command->add_option("--defect", a->options.glob, "glob over kernel/isa!name and harness/name")->capture_default_str();
  command->add_option("--seed", a->options.first_seed, "the first seed")->capture_default_str();
  command->add_option("--seeds", a->options.seeds, "seeds for each defect")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  command->add_option("--samples", a->options.samples, "for each check")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
      ->capture_default_str();
  command->add_option("--stride", a->options.stride, "try every STRIDE-th case only, as `check` does")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 20))
      ->capture_default_str();
  command->add_option("--timeout", a->options.timeout, "seconds without a finished sample that count as a hang")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  command->add_flag("--no-stepping", a->no_stepping,
                    "leave out the calls that are single-stepped: dear on an emulated CPU");
  command->add_flag("--large", a->options.large, "those that `assay check --large` is for, instead: some 10 s a seed");
  command
      ->add_option("--false-alarms", a->false_alarm_seeds,
                   "instead: check every true variant with this many seeds; none may fail")
      ->check(CLI::Range(1, 1000000));
  command->add_option("--jobs", a->options.jobs, "child processes at once, of --false-alarms (0: one for each CPU)")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--list", a->list, "what is planted");
  command->add_flag("--json", a->json, "for programs");
  command->callback([a, &status] { status = run_selftest(*a); });
}

}  // namespace assay
