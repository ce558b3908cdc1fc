// Whether a change made kernels slower: two reports, or two builds in one process, which is the gate that holds on noisy machines.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/bench/bench_selftest.h"
#include "harness/bench/compare.h"
#include "harness/bench/progress.h"
#include "harness/check/check.h"
#include "harness/cli/commands.h"
#include "harness/cli/plugin_flags.h"
#include "harness/cli/supervised.h"
#include "harness/runtime/error.h"
#include "harness/runtime/plugin.h"

namespace assay {
namespace {

struct CompareArguments {
  std::string before, after;  ///< reports
  std::string against, plugin;
  BenchOptions options;
  double percent = 5;
  uint64_t samples = 600, seed = 1;
  int selftest = 0;
  bool json = false;
};

constexpr const char* kBefore = "before";

/// A variant as it is and as it was.
struct Pair {
  const Kernel* kernel;
  const Variant *before, *after;
};

/// Those whose labels are the same, but for the plug-in's name.
std::vector<Pair> pairs_of(const CompareArguments& a) {
  continue_supervised();
  const auto before = add_plugin(a.against, kBefore);
  const auto after = a.plugin.empty() ? nullptr : add_plugin(a.plugin, "after");
  std::vector<Pair> pairs;
  for (const Kernel& kernel : kernels()) {
    for (const Variant& v : kernel.variants) {
      if (!v.foreign || v.foreign->library != before || !glob_match(a.options.kernel_glob, kernel.name) ||
          !glob_match(a.options.variant_glob, v.nickname)) {
        continue;
      }
      const Variant* other = kernel.find(after ? "after:" + v.nickname : v.nickname);
      if (other != nullptr) {
        pairs.push_back({&kernel, &v, other});
      } else {
        fmt::print(stderr, "assay: left out: {}/{} is in the old build alone\n", kernel.name, v.nickname);
      }
    }
  }
  if (pairs.empty()) {
    throw InputError(fmt::format("{}: it has no variant that {} has too, of kernels '{}' and labels '{}'", a.against,
                                 a.plugin.empty() ? "assay" : a.plugin, a.options.kernel_glob, a.options.variant_glob));
  }
  return pairs;
}

/// Checks both of each: none is timed without a verdict. False if one of the new ones failed; throws InputError for an old one.
bool check_pairs(const Cpu& cpu, const CompareArguments& a, std::vector<Pair>& pairs) {
  bool good = true;
  const auto verdict_of = [&](const Variant& variant) {
    CheckOptions options;
    options.kernel_glob = variant.kernel;
    options.variant_glob = variant.label();
    options.samples = a.samples;
    options.seed = a.seed;
    options.accept_claims = true;
    return check(cpu, options).front();
  };
  std::erase_if(pairs, [&](const Pair& pair) {
    const Verdict after = verdict_of(*pair.after);
    if (after.status == Status::fail) {
      fmt::print(stderr, "{} fails its check: {}\n    {}\n", pair.after->name(), after.reason, after.reproduce);
      good = false;
      return true;
    }
    if (after.status == Status::not_runnable) {
      fmt::print(stderr, "{} cannot run here: {}\n", pair.after->name(), after.reason);
      return true;
    }
    const Verdict before = verdict_of(*pair.before);
    if (!before.may_be_chosen()) {
      throw InputError(
          fmt::format("{}: {} cannot be compared with: {}", a.against, pair.before->name(), before.reason));
    }
    return false;
  });
  return good;
}

/// Times each pair at the classes of its kernel.
std::vector<BeforeAfter> time_pairs(const Cpu& cpu, const std::vector<Pair>& pairs, const BenchOptions& options,
                                    const std::vector<std::string>& only, Progress& progress) {
  std::vector<TimingJob> jobs;
  std::vector<Pair> of_jobs;
  for (const Pair& pair : pairs) {
    for (const ShapeClass& c : classes_to_time(*pair.kernel, cpu.caches, options)) {
      const bool wanted = only.empty() || std::ranges::count(only, fmt::format("{}/{}/{}", pair.kernel->name,
                                                                               pair.after->label(), c.name())) != 0;
      if (wanted && (!options.quick || is_quick(*pair.kernel, c, cpu.caches))) {
        jobs.push_back({pair.kernel, {pair.before, pair.after}, c, true});
        of_jobs.push_back(pair);
      }
    }
  }
  BenchOptions timed = options;
  // As many rounds as show anything at all of so many pairs, should half of them be disturbed.
  timed.repetitions = std::max(timed.repetitions, 2 * least_rounds(jobs.size()));
  timed.on_progress = [&](const std::string& text) { progress.show("compare: " + text); };
  nlohmann::json google;
  std::vector<BeforeAfter> all;
  for (const ShapeTimings& shape : time_shapes(jobs, timed, google)) {
    if (shape.timings.size() == 2) {
      all.push_back(pair_of(shape, shape.timings[0].variant, shape.timings[1].variant));
    }
  }
  progress.clear();
  if (all.empty()) {
    throw InputError("nothing to time: no shape is left by --filter and --quick");
  }
  return all;
}

std::vector<std::string> names_of_worse(const std::vector<Comparison>& all) {
  std::vector<std::string> names;
  for (const Comparison& c : all) {
    if (c.change == Change::worse) {
      names.push_back(c.name);
    }
  }
  return names;
}

/// 0: none is worse; 1: one is; 3: it cannot be told of one.
int status_of(const std::vector<Comparison>& all) {
  const auto has = [&](Change change) {
    return std::ranges::any_of(all, [&](const Comparison& c) { return c.change == change; });
  };
  return has(Change::worse) ? 1 : has(Change::undecided) ? 3 : 0;
}

void print(const CompareArguments& a, const std::vector<Comparison>& all, int status) {
  if (a.json) {
    auto json = nlohmann::json::array();
    for (const Comparison& c : all) {
      json.push_back(
          {{"name", c.name}, {"ratio", c.ratio}, {"low", c.low}, {"high", c.high}, {"change", to_string(c.change)}});
    }
    fmt::print("{}\n",
               nlohmann::json{{"threshold", a.percent / 100}, {"comparisons", json}, {"status", status}}.dump(2));
    return;
  }
  fmt::print("{:<52} {:>8} {:>18}  {}\n", "variant and shape", "after/", "99% interval",
             fmt::format("by over {:g}%", a.percent));
  const auto text_of = [](double ratio) {
    return ratio < 1e4 ? fmt::format("{:.3f}", ratio) : fmt::format("{:.3g}", ratio);
  };
  for (const Comparison& c : all) {
    fmt::print("{:<52} {:>8} {:>18}  {}\n", c.name, text_of(c.ratio),
               fmt::format("[{}, {}]", text_of(c.low), text_of(c.high)), to_string(c.change));
  }
  const auto count = [&](Change change) { return std::ranges::count(all, change, &Comparison::change); };
  fmt::print("{} worse, {} not worse, {} undecided: too much noise to tell\n", count(Change::worse),
             count(Change::not_worse), count(Change::undecided));
}

/// One run of the gate: worse is what is so in a second run as well.
std::vector<Comparison> compare_builds(const Cpu& cpu, const CompareArguments& a, const std::vector<Pair>& pairs,
                                       Progress& progress) {
  const double threshold = a.percent / 100;
  auto all = compare(time_pairs(cpu, pairs, a.options, {}, progress), threshold);
  const auto worse = names_of_worse(all);
  if (!worse.empty()) {
    const auto again = compare(time_pairs(cpu, pairs, a.options, worse, progress), threshold);
    for (Comparison& c : all) {
      const auto second = std::ranges::find(again, c.name, &Comparison::name);
      if (c.change == Change::worse && second != again.end() && second->change != Change::worse) {
        c.change = Change::undecided;
      }
    }
  }
  return all;
}

/// How far the gate can be trusted here: each variant that matches against itself, and against a copy that is a tenth slower.
int run_selftest(const Cpu& cpu, const CompareArguments& a) {
  CheckOptions options;
  options.kernel_glob = a.options.kernel_glob;
  options.variant_glob = a.options.variant_glob;
  options.samples = 100;
  const auto verdicts = check(cpu, options);
  const std::deque<Kernel> copies = copies_to_compare(verdicts, a.options);
  std::vector<Pair> same, slowed;
  for (const Kernel& copy : copies) {
    same.push_back({&copy, &copy.variants[0], &copy.variants[1]});
    slowed.push_back({&copy, &copy.variants[0], &copy.variants[2]});
  }
  if (same.empty()) {
    throw InputError("nothing to time: no variant with a passing verdict matches");
  }
  Progress progress;
  int alarms = 0, undecided = 0, found = 0;
  for (int i = 0; i < a.selftest; ++i) {
    const int status = status_of(compare_builds(cpu, a, same, progress));
    alarms += status == 1;
    undecided += status == 3;
    found += status_of(compare_builds(cpu, a, slowed, progress)) == 1;
  }
  fmt::print("A/A: {} of {} runs raise an alarm, {} cannot tell; a tenth slower: {} of {} runs find it\n", alarms,
             a.selftest, undecided, found, a.selftest);
  return alarms * 100 <= a.selftest && found * 100 >= 95 * a.selftest ? 0 : 1;
}

int run_compare(const CompareArguments& a) {
  std::vector<Comparison> all;
  if (!a.before.empty()) {
    std::vector<std::string> alone;
    all = compare(pairs_of_reports(a.before, a.after, alone), a.percent / 100);
    for (const auto& name : alone) {
      fmt::print(stderr, "assay: left out: only one of the reports has {}\n", name);
    }
    print(a, all, status_of(all));
    return status_of(all);
  }
  const Cpu cpu = detect_cpu();
  if (a.selftest != 0) {
    return run_selftest(cpu, a);
  }
  if (a.against.empty()) {
    throw InputError("give two reports of `assay bench --out`, or the old build with --against");
  }
  auto pairs = pairs_of(a);
  const bool good = check_pairs(cpu, a, pairs);
  if (pairs.empty()) {
    if (!good) {
      return 1;
    }
    throw MachineError("nothing to compare: this machine runs none of the variants");
  }
  Progress progress;
  all = compare_builds(cpu, a, pairs, progress);
  const int status = good ? status_of(all) : 1;
  print(a, all, status);
  return status;
}

}  // namespace

void add_compare_command(CLI::App& app, int& status) {
  auto a = std::make_shared<CompareArguments>();
  auto* command =
      app.add_subcommand("compare", "did a change make kernels slower? Two reports, or two builds in one process");
  auto* before = command->add_option("BEFORE", a->before, "a report of `assay bench --out`");
  auto* after = command->add_option("AFTER", a->after, "a later one of the same CPU");
  before->needs(after);
  auto* against = command->add_option(
      "--against", a->against, "the old build, a plug-in: timed in turn with the new one, FILE or FILE:ARGUMENT");
  auto* plugin = command->add_option("--plugin", a->plugin, "the new build, a plug-in (default: assay's own variants)");
  plugin->needs(against);
  command->add_option("--threshold", a->percent, "percent that are too many")
      ->check(CLI::Range(0.1, 1000.0))
      ->capture_default_str();
  auto* kernel = command->add_option("--kernel", a->options.kernel_glob, "globs of kernels, separated by commas")
                     ->capture_default_str();
  auto* variant = command->add_option("--variant", a->options.variant_glob, "globs of labels, separated by commas")
                      ->capture_default_str();
  auto* filter = command->add_option("--filter", a->options.filter, "regular expression over kernel/variant/class")
                     ->capture_default_str();
  // Many short rounds: whether most are slower is what is asked, and where the buffers lie is drawn for each.
  a->options.repetitions = 100;
  a->options.min_time = 0.001;
  auto* repetitions = command->add_option("--repetitions", a->options.repetitions, "of each timing")
                          ->check(CLI::Range(9, 1000))
                          ->capture_default_str();
  auto* min_time = command->add_option("--min-time", a->options.min_time, "seconds for each repetition")
                       ->check(CLI::Range(1e-5, 100.0))
                       ->capture_default_str();
  auto* quick = command->add_flag("--quick", a->options.quick, "leave out the shapes that do not fit the L2 cache");
  auto* samples = command->add_option("--samples", a->samples, "of the check before")
                      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 30))
                      ->capture_default_str();
  command->add_option("--seed", a->seed, "of the check before")->capture_default_str();
  auto* selftest =
      command
          ->add_option(
              "--selftest", a->selftest,
              "so many times: does a variant against itself raise an alarm, and is one found that is a tenth slower?")
          ->check(CLI::Range(1, 10000));
  for (CLI::Option* one : {against, plugin, kernel, variant, filter, repetitions, min_time, quick, samples, selftest}) {
    one->excludes(before);
  }
  selftest->excludes(against);
  command->add_flag("--json", a->json, "for programs")->excludes(selftest);
  command->callback([a, &status] { status = run_compare(*a); });
}

}  // namespace assay
