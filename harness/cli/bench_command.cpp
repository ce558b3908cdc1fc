#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <ranges>
#include <regex>

#include "harness/bench/audit.h"
#include "harness/bench/bench.h"
#include "harness/bench/bench_selftest.h"
#include "harness/bench/choose.h"
#include "harness/bench/progress.h"
#include "harness/bench/search.h"
#include "harness/cli/commands.h"
#include "harness/cli/model_shapes.h"
#include "harness/cli/plugin_flags.h"
#include "harness/cli/report_files.h"
#include "harness/runtime/atomic_file.h"
#include "harness/runtime/error.h"
#include "harness/runtime/profile.h"
#include "harness/runtime/text.h"
#include "reports/bench_report.h"
#include "reports/inputs.h"

namespace assay {
namespace {

struct BenchArguments {
  BenchOptions options;
  PluginFlags plugins;
  bool all_kernels = false;  ///< --kernel was not given
  uint64_t check_samples = 300;
  uint64_t seed = 1;
  bool json = false;
  bool selftest = false;
  bool google = false;  ///< the format of the JSON reports
  std::string json_file;
  ReportFiles reports;
};

struct TuneArguments {
  PluginFlags plugins;
  bool quick = false, audit = false;
  bool dry_run = false, search = false;
  std::string out, model;
  ReportFiles reports;
  bool json = false;
  uint64_t seed = 1;
};

/// Before the checks, which take a while. The length is bounded since std::regex recurses.
std::string valid_regex(const std::string& text) {
  if (text.size() > 1000) {
    return "is longer than 1000 characters";
  }
  try {
    const std::regex valid(text);
    return "";
  } catch (const std::regex_error& e) {
    return fmt::format("{} is not a regular expression: {}", quote(text), e.what());
  }
}

/// Shows that verdicts come; what failed stays to be seen.
std::function<void(const Verdict&)> report_verdicts(const char* what, Progress& progress) {
  return [what, &progress, done = 0](const Verdict& v) mutable {
    progress.show(fmt::format("{}: {} verdicts, {}/{}", what, ++done, v.kernel, v.variant));
    if (v.status == Status::fail) {
      progress.clear();
      fmt::print(stderr, "{}/{} failed and is left out: {}\n    {}\n", v.kernel, v.variant, v.reason, v.reproduce);
    } else if (v.status == Status::claimed && !v.may_be_chosen()) {
      progress.clear();
      fmt::print(stderr, "{}/{} will not be chosen: it keeps only what it claims (--accept-claims): {}\n", v.kernel,
                 v.variant, text_of_claim(v));
    }
  };
}

std::vector<Verdict> check_first(const Cpu& cpu, CheckOptions options, Progress& progress) {
  options.on_verdict = report_verdicts("check", progress);
  return check(cpu, options);
}

/// What a report of both is made from.
Report summary_of(const std::vector<Verdict>& verdicts, const nlohmann::json& measured) {
  Report summary;
  add_verdicts(summary, to_json(verdicts));
  add_bench(summary, measured);
  return as_kept(summary);
}

size_t count_failed(const std::vector<Verdict>& verdicts) {
  return static_cast<size_t>(std::ranges::count(verdicts, Status::fail, &Verdict::status));
}

int run_bench(BenchArguments a) {
  if (!a.json_file.empty()) {
    check_writable(a.json_file);
  }
  check_writable(a.reports);
  load_plugins(a.plugins);
  if (a.all_kernels && !a.plugins.plugins.empty()) {
    a.options.kernel_glob = kernels_of_plugins();
  }
  const Cpu cpu = detect_cpu();
  Progress progress;
  CheckOptions check_options;
  check_options.accept_claims = a.plugins.accept_claims;
  check_options.kernel_glob = a.options.kernel_glob;
  check_options.variant_glob = a.options.variant_glob;
  check_options.samples = a.check_samples;
  check_options.seed = a.seed;
  auto verdicts = check_first(cpu, check_options, progress);
  BenchOptions options = a.options;
  options.seed = a.seed;
  options.time_claimed = true;
  options.on_verdict = report_verdicts("check of the shapes that are timed", progress);
  options.on_progress = [&](const std::string& text) { progress.show("bench: " + text); };
  if (a.selftest) {
    const BenchSelftest result = bench_selftest(cpu, verdicts, options);
    progress.clear();
    return print_bench_selftest(result) ? 0 : 1;
  }
  options.on_timings = [&](const ShapeTimings& s) {
    progress.clear();
    if (!a.json) {
      fmt::print("{}\n", bench_text(s));
      std::fflush(stdout);
    }
  };
  const BenchResult result = bench(cpu, verdicts, options);
  progress.clear();
  if (!result.raised.empty() && !a.json) {
    fmt::print("Limits measured again at the end were larger, and reports have shares of these: {}\n", result.raised);
  }
  const nlohmann::json measured = bench_json(cpu, result, today());
  const nlohmann::json& report = a.google ? result.google : measured;
  if (a.json) {
    fmt::print("{}\n", report.dump(1));
  }
  if (!a.json_file.empty()) {
    write_file_atomically(a.json_file, report.dump(1) + "\n");
  }
  if (a.reports.any()) {
    write_reports(a.reports, {summary_of(verdicts, measured)});
  }
  return count_failed(verdicts) > 0 ? 1 : 0;
}

int run_audit(const TuneArguments& a) {
  load_plugins(a.plugins);
  const Cpu cpu = detect_cpu();
  const auto dispatch = dispatch_to_audit(cpu, a.out);  // before the check: there may be nothing to audit
  Progress progress;
  CheckOptions check_options;
  check_options.accept_claims = a.plugins.accept_claims;
  check_options.samples = 300;
  check_options.seed = a.seed;
  const auto verdicts = check_first(cpu, check_options, progress);
  progress.clear();
  print_audit(audit(cpu, verdicts, *dispatch, a.seed));
  return count_failed(verdicts) > 0 ? 1 : 0;
}

/// What tuning would time.
void print_shapes(const Cpu& cpu, const BenchOptions& options) {
  fmt::print("{:<18} {:<21} {}\n", "kernel", "class", "shape");
  for (const Kernel& kernel : kernels()) {
    for (const ShapeClass& c : classes_to_time(kernel, cpu.caches, options)) {
      fmt::print("{:<18} {:<21} {}\n", kernel.name, c.name(), kernel.text_of(c.shape));
    }
  }
}

/// The profile at `path`, where it holds on this CPU; else none. InputError if the file is no profile.
Profile profile_before(const std::string& path, const Cpu& cpu) {
  if (!std::filesystem::exists(path)) {
    return {};
  }
  Profile profile = read_profile(path);
  return refusal(profile, cpu).empty() ? profile : Profile();
}

/// Adds the choices of `before` that are of another kernel or shape than each of `profile`.
void add_others(Profile& profile, const Profile& before) {
  const std::vector<Choice> own = profile.choices;
  for (Choice other : before.choices) {
    if (std::ranges::any_of(own, [&](const Choice& c) {
          return c.kernel == other.kernel && c.shape == other.shape && c.cold == other.cold;
        })) {
      continue;
    }
    for (const auto& [label, ratio] : other.ratios) {
      const std::string name = fmt::format("{}/{}", other.kernel, without_parameters(label));
      const Evidence& evidence = before.evidence.at(name);
      if (profile.evidence.try_emplace(name, evidence).first->second.code != evidence.code) {
        other.ratios.clear();  // they are of other code
        break;
      }
    }
    profile.choices.push_back(other);
  }
}

/// How far the machine let itself be measured.
struct Noise {
  size_t rounds = 0, disturbed = 0;
  double control = 1;  ///< the median of what the A/A controls differ by, as a ratio
};

Noise noise_of(const std::vector<ShapeTimings>& shapes) {
  Noise noise;
  std::vector<double> controls;
  for (const ShapeTimings& shape : shapes) {
    noise.rounds += shape.probe_ns.size();
    noise.disturbed += count_disturbed(shape.probe_ns);
    controls.push_back(shape.control_ratio());
  }
  noise.control = controls.empty() ? 1 : median_of(controls);
  return noise;
}

/// What searching the generators' parameters gained.
void print_search(const std::vector<SearchResult>& results) {
  for (const auto& r : results) {
    fmt::print("{}{:<18} {:<21} {} candidates: {}\n", &r == &results.front() ? "\n" : "", r.kernel,
               r.shape_class.name(), r.candidates,
               r.best == r.chosen ? fmt::format("none is faster than {} beyond doubt", r.chosen)
                                  : fmt::format("{} is {:.2f}x faster than {}", r.best, 1 + r.gain, r.chosen));
    for (const auto& failed : r.failed) {
      fmt::print("    failed: {}\n", failed);
    }
  }
}

void print_tuning(const TuneArguments& a, const std::string& path, const std::vector<Choice>& chosen,
                  const std::vector<SearchResult>& searched, const std::vector<Verdict>& verdicts, const Noise& noise) {
  const size_t failed = count_failed(verdicts);
  if (a.json) {
    auto choices = nlohmann::json::array();
    for (const auto& c : chosen) {
      choices.push_back({{"kernel", c.kernel},
                         {"class", c.label},
                         {"variant", c.variant},
                         {"parameters", c.parameters},
                         {"why", c.why}});
    }
    const nlohmann::json out = {{"profile", path},
                                {"failed", failed},
                                {"rounds", noise.rounds},
                                {"disturbed", noise.disturbed},
                                {"control_ratio", noise.control},
                                {"choices", choices}};
    fmt::print("{}\n", out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{:<18} {:<21} {:<11} {}\n", "kernel", "class", "use", "why");
    std::string above;
    for (const auto& c : chosen) {
      const bool own_size = c.label.find(" x ") == std::string::npos;
      if (own_size || c.variant != above) {  // of a class's other sizes, those that change the choice
        fmt::print("{:<18} {:<21} {:<11} {}\n", c.kernel, c.label, c.variant, c.why);
        above = c.variant;
      }
    }
    print_search(searched);
    size_t passed = 0;
    for (const auto& v : verdicts) {
      passed += v.status == Status::pass;
    }
    fmt::print("\n{} variants passed the check, {} failed, {} cannot run here; profile written to {}\n", passed, failed,
               verdicts.size() - passed - failed, path);
    // ci/fleet/summary.sh reads this line.
    fmt::print("of {} rounds {:.1f}% were disturbed by others on this machine; A/A control: {:.1f}%\n", noise.rounds,
               100.0 * static_cast<double>(noise.disturbed) / static_cast<double>(std::max<size_t>(noise.rounds, 1)),
               100 * (noise.control - 1));
  }
}

int run_tune(const TuneArguments& a) {
  load_plugins(a.plugins);
  const Cpu cpu = detect_cpu();
  BenchOptions options;
  if (!a.model.empty()) {
    options.shapes = shapes_of_model(cpu, a.model);
  }
  if (a.dry_run) {
    print_shapes(cpu, options);
    return 0;
  }
  const std::string path = a.out.empty() ? default_profile_path() : a.out;
  check_writable(path);
  const Profile kept = a.model.empty() ? Profile() : profile_before(path, cpu);
  check_writable(a.reports);
  Progress progress;
  CheckOptions check_options;
  check_options.accept_claims = a.plugins.accept_claims;
  if (a.quick) {  // a share of the cases: so few of the first would be short shapes alone
    check_options.samples = 100;
    check_options.stride = 19;
  } else if (!a.model.empty()) {
    check_options.samples = 300;
  }
  check_options.seed = a.seed;
  if (!a.model.empty()) {
    check_options.kernel_glob = fmt::format("{}", fmt::join(std::views::keys(options.shapes), ","));
  }
  auto verdicts = check_first(cpu, check_options, progress);
  options.seed = a.seed;
  options.on_verdict = report_verdicts("check of the shapes that are timed", progress);
  options.quick = a.quick;
  options.drop_over = kHopeless;
  if (a.quick) {
    options.repetitions = 18;
    options.min_time = 0.0005;
  } else {
    options.repetitions = 24;
    options.extra_rounds = 24;
    options.min_time = 0.0005;
    if (a.model.empty()) {
      options.percents = {100, 70, 45};  // what is best at one size of a class is not always at others
      options.refine = true;
    }
  }
  options.on_progress = [&](const std::string& text) { progress.show("bench: " + text); };
  const BenchResult result = bench(cpu, verdicts, options);
  progress.clear();
  Profile profile = choose(cpu, verdicts, result.shapes);
  const std::vector<SearchResult> searched =
      a.search ? search_parameters(cpu, verdicts, profile, options) : std::vector<SearchResult>();
  progress.clear();
  const std::vector<Choice> chosen = profile.choices;
  add_others(profile, kept);
  write_profile(path, profile);
  if (a.reports.any()) {
    Report summary = summary_of(verdicts, bench_json(cpu, result, today()));
    summary.sources.back().command = "tune";
    add_profile(summary, to_json(profile));
    write_reports(a.reports, {as_kept(summary)});
  }
  print_tuning(a, path, chosen, searched, verdicts, noise_of(result.shapes));
  return count_failed(verdicts) > 0 ? 1 : 0;
}

}  // namespace

void add_bench_command(CLI::App& app, int& status) {
  auto a = std::make_shared<BenchArguments>();
  auto* command = app.add_subcommand("bench", "time every variant that passes the check, beside the machine's limits");
  auto* kernel = command->add_option("--kernel", a->options.kernel_glob,
                                     "globs of kernels, separated by commas; with --plugin: those that it has");
  kernel->capture_default_str();
  command->add_option("--variant", a->options.variant_glob, "globs of variants (ISAs), separated by commas")
      ->capture_default_str();
  command->add_option("--filter", a->options.filter, "regular expression over kernel/variant/class")
      ->check(valid_regex, "")
      ->capture_default_str();
  command->add_option("--repetitions", a->options.repetitions, "of each timing")
      ->check(CLI::Range(3, 1000))
      ->capture_default_str();
  command->add_option("--min-time", a->options.min_time, "seconds for each repetition")
      ->check(CLI::Range(1e-5, 100.0))
      ->capture_default_str();
  command->add_flag("--quick", a->options.quick, "leave out the shapes that do not fit the L2 cache");
  command->add_option("--samples", a->check_samples, "of the check before")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--seed", a->seed, "of the check before")->capture_default_str();
  command->add_option("--out", a->json_file, "write the JSON report, with every sample, to this file");
  command
      ->add_option_function<std::string>(
          "--format", [a](const std::string& format) { a->google = format == "google"; },
          "of --json and --out: assay (default), or google, which compare.py of Google Benchmark reads")
      ->check(CLI::IsMember({"assay", "google"}));
  add_report_flags(*command, a->reports);
  add_plugin_flag(*command, a->plugins);
  add_accept_claims_flag(*command, a->plugins);
  command->add_flag("--json", a->json, "the JSON report on stdout");
  command->add_flag("--selftest", a->selftest,
                    "instead: how often is a variant found faster than itself, and a slowed one slower?");
  command->callback([a, kernel, &status] {
    a->all_kernels = kernel->count() == 0;
    status = run_bench(*a);
  });
}

void add_tune_command(CLI::App& app, int& status) {
  auto a = std::make_shared<TuneArguments>();
  auto* command = app.add_subcommand("tune", "check, bench and choose: writes the profile that `run` uses");
  auto* quick = command->add_flag("--quick", a->quick, "fewer samples, fewer repetitions, shapes within the L2 cache");
  auto* audit = command->add_flag(
      "--audit", a->audit, "instead of tuning: what the profile's choices lose at shapes that tuning did not use");
  auto* model = command->add_option("-m,--model", a->model,
                                    "just the shapes of this model (GGUF); the profile's other choices stay");
  auto* dry_run = command->add_flag("--dry-run", a->dry_run, "only list what would be timed");
  auto* search = command->add_flag("--search", a->search,
                                   "then try the parameters of generators (tile, prefetch distance) at each class");
  audit->excludes(model)->excludes(dry_run)->excludes(quick)->excludes(search);
  model->excludes(quick);
  dry_run->excludes(quick);
  command->add_option("--out", a->out, "the profile's file (default: under $XDG_CACHE_HOME or ~/.cache)");
  add_report_flags(*command, a->reports);
  command->add_option("--seed", a->seed, "of the check, and of the sizes of --audit")->capture_default_str();
  add_plugin_flag(*command, a->plugins);
  add_accept_claims_flag(*command, a->plugins);
  command->add_flag("--json", a->json, "the choices for programs");
  command->callback([a, &status] { status = a->audit ? run_audit(*a) : run_tune(*a); });
}

}  // namespace assay
