#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <ranges>
#include <string>
#include <utility>

#include "harness/check/check.h"
#include "harness/check/not_made.h"
#include "harness/check/saved_failure.h"
#include "harness/check/single_step.h"
#include "harness/check/trial.h"
#include "harness/cli/block_check.h"
#include "harness/cli/commands.h"
#include "harness/cli/emulate.h"
#include "harness/cli/model_shapes.h"
#include "harness/cli/plugin_flags.h"
#include "harness/cli/report_files.h"
#include "harness/runtime/atomic_file.h"
#include "harness/runtime/error.h"
#include "harness/runtime/plugin.h"
#include "reports/check_report.h"
#include "reports/inputs.h"

namespace assay {
namespace {

struct CheckArguments {
  CheckOptions options;
  PluginFlags plugins;
  std::string case_text, replay, save;
  std::string block, force, model;
  std::string cpu;
  bool all_variants = false;  ///< --variant was not given
  bool no_stepping = false;
  bool exhaustive = false;
  bool large = false;
  std::string junit;
  ReportFiles reports;
  bool github = false;
  bool json = false;
};

void print_header() {
  fmt::print("{:<34} {:<13} {:>10} {:>9} {:>11}  {}\n", "variant", "status", "samples", "max ULP", "error/bound",
             "note");
}

void print_verdict(const Verdict& v) {
  const std::string name = v.kernel + "/" + v.variant;
  if (v.status == Status::not_runnable) {
    fmt::print("{:<34} {:<13} {:>10} {:>9} {:>11}  {}\n", name, to_string(v.status), 0, "-", "-", v.reason);
  } else {
    fmt::print("{:<34} {:<13} {:>10} {:>9.3g} {:>11.3g}  {}\n", name, to_string(v.status), v.samples, v.errors.max_ulp,
               v.errors.worst_over_bound,
               v.status == Status::fail      ? fmt::format("[{}] {}", v.caught_by, v.reason)
               : v.status == Status::claimed ? text_of_claim(v)
                                             : v.reason);
    if (!v.reproduce.empty()) {
      fmt::print("    {}\n", v.reproduce);
    }
    if (v.status == Status::fail && v.caught_by == "value" && v.failing_case) {
      fmt::print("{}", elements_of(*v.failing_case));
    }
  }
  std::fflush(stdout);
}

/// For each variant that the options ask for: its kernel's shapes, and a size less and more. InputError if none is left.
std::map<std::string, std::vector<Shape>> shapes_to_check(const std::map<std::string, std::vector<Shape>>& of_kernels,
                                                          const CheckOptions& options) {
  std::map<std::string, std::vector<Shape>> of_variants;
  for (const auto& [name, shapes] : of_kernels) {
    const Kernel& kernel = find_kernel(name);
    for (const Variant& variant : kernel.variants) {
      if (glob_match(options.kernel_glob, name) && glob_match(options.variant_glob, variant)) {
        for (const Shape& shape : shapes) {
          const auto about = shapes_about(kernel, shape);
          of_variants[variant.name()].insert(of_variants[variant.name()].end(), about.begin(), about.end());
        }
      }
    }
  }
  if (of_variants.empty()) {
    throw InputError(fmt::format("no kernel of the model matches --kernel '{}' --variant '{}'; it needs {}",
                                 options.kernel_glob, options.variant_glob,
                                 fmt::join(std::views::keys(of_kernels), ", ")));
  }
  return of_variants;
}

int run_check(const CheckArguments& a) {
  if (a.no_stepping) {
    forbid_single_step();
  }
  if (!a.cpu.empty()) {
    std::vector<std::string> inputs = {a.replay, a.model};
    for (const auto& plugin : a.plugins.plugins) {
      const auto [file, argument] = split_plugin(plugin);
      inputs.insert(inputs.end(), {file, argument});
    }
    continue_on_emulated_cpu(a.cpu, inputs, {a.junit, a.reports.html, a.reports.markdown, a.reports.summary});
  }
  if (!a.junit.empty()) {
    check_writable(a.junit);
  }
  check_writable(a.reports);
  load_plugins(a.plugins);
  const Cpu cpu = detect_cpu();
  std::vector<Verdict> verdicts;
  CheckOptions options = a.options;
  if (a.all_variants && a.block.empty() && !a.plugins.plugins.empty()) {
    options.variant_glob = variants_of_plugins();
  }
  // The header comes with the first verdict: wrong usage prints nothing on stdout.
  bool header = false;
  const auto print = [&](const Verdict& v) {
    if (!std::exchange(header, true)) {
      print_header();
    }
    print_verdict(v);
  };
  if (!a.json) {
    options.on_verdict = print;
  }
  if (!a.case_text.empty() || !a.replay.empty()) {
    const CaseId id = a.replay.empty() ? case_from(a.case_text) : read_failure(a.replay);
    verdicts.push_back(check_case(cpu, id, options.timeout));
    if (!a.json) {
      print(verdicts.back());
    }
  } else if (!a.block.empty()) {
    BlockCheckOptions block;
    block.architecture = a.block;
    block.variant_glob = options.variant_glob;
    block.force = a.force;
    block.seed = options.seed;
    block.samples = options.samples.value_or(block.samples);
    block.timeout = options.timeout;
    verdicts.push_back(check_block(cpu, block));
    if (!a.json) {
      print(verdicts.back());
    }
  } else if (!a.model.empty()) {
    options.shapes = shapes_to_check(shapes_of_model(cpu, a.model), options);
    verdicts = check(cpu, options);
  } else if (a.large) {
    verdicts = check_large(cpu, options);
  } else if (a.exhaustive) {
    verdicts = check_exhaustively(cpu, options);
  } else {
    verdicts = check(cpu, options);
  }
  const std::vector<std::string> not_made = checks_not_made(verdicts);
  std::vector<std::string> saved;
  const Summary summary = summarize(verdicts);
  auto json = nlohmann::json::array();
  for (const auto& v : verdicts) {
    if (v.status == Status::fail && !a.save.empty()) {
      saved.push_back(save_failure(a.save, cpu, v));
    }
    json.push_back(to_json(v));
    json.back()["not_made"] = v.status == Status::not_runnable ? std::vector<std::string>() : not_made;
  }
  if (!a.junit.empty()) {
    write_file_atomically(a.junit, junit_text(verdicts));
  }
  if (a.reports.any()) {
    Report report;
    add_cpu(report, cpu);
    add_source(report, "check");
    add_verdicts(report, to_json(verdicts));
    write_reports(a.reports, {as_kept(report)});
  }
  for (const auto& v : verdicts) {
    if (a.github && v.status == Status::fail) {
      fmt::print("{}", github_line(v));
    }
  }
  if (a.json) {
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    for (const auto& what : not_made) {
      fmt::print("not made here: {}\n", what);
    }
    fmt::print("{} compiled, {} runnable here, {} passed, {}{} failed, {} not runnable (not a pass)\n", verdicts.size(),
               summary.passed + summary.claimed + summary.failed, summary.passed,
               summary.claimed == 0 ? "" : fmt::format("{} kept what they claim (no pass), ", summary.claimed),
               summary.failed, summary.not_runnable);
  }
  std::fflush(stdout);
  for (const auto& path : saved) {
    fmt::print(stderr, "saved: {}\n", path);
  }
  if (summary.exit_status() == 3) {
    throw MachineError("nothing was checked: this machine runs none of the variants asked for");
  }
  return summary.exit_status();
}

}  // namespace

void add_check_command(CLI::App& app, int& status) {
  auto a = std::make_shared<CheckArguments>();
  auto* command = app.add_subcommand("check", "fuzz variants against the double-precision reference");
  auto* kernel = command->add_option("--kernel", a->options.kernel_glob, "globs of kernels, separated by commas")
                     ->capture_default_str();
  auto* variant = command->add_option("--variant", a->options.variant_glob,
                                      "globs of variants (ISAs), separated by commas; with --plugin: its own");
  variant->capture_default_str();
  command->add_option("--seed", a->options.seed, "the cases follow from it, on every machine")->capture_default_str();
  auto* samples = command->add_option("--samples", a->options.samples, "for each variant")
                      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40))
                      ->default_str("2000, or 600 where over 200 variants are checked");
  auto* seconds = command->add_option("--seconds", a->options.seconds, "for each variant, instead of --samples")
                      ->check(CLI::Range(0.001, 1e6))
                      ->excludes(samples);
  auto* stride =
      command
          ->add_option("--stride", a->options.stride,
                       "try every STRIDE-th case: a short check that gets to the long shapes; of --exhaustive, every\n"
                       "STRIDE-th 65,536 inputs, from the one that the seed says")
          ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 20))
          ->capture_default_str();
  command->add_option("--jobs", a->options.jobs, "child processes at once (0: one for each CPU)")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command->add_option("--timeout", a->options.timeout, "seconds without a finished sample that count as a hang")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  std::vector<std::string> blocks;
  for (const Architecture& architecture : architectures()) {
    blocks.emplace_back(architecture.name);
  }
  auto* block =
      command->add_option("--block", a->block, "fuzz a whole block of an architecture, of any mix of variants")
          ->check(CLI::IsMember(blocks));
  command->add_option("--force", a->force, "kernel=variant,...: not mixed in the block, kernels may be globs")
      ->needs(block);
  auto* model = command->add_option(
      "-m,--model", a->model, "at the shapes of this model (GGUF), and a size less and more, instead of drawn ones");
  auto* one_case = command->add_option("--case", a->case_text, "one case, as a failure prints it");
  command->add_flag("--no-shrink{false}", a->options.shrink, "report a failing case as it was found");
  auto* keep_going =
      command->add_flag("--keep-going", a->options.keep_going,
                        "try the other samples too where one fails, up to 64; --json tells what went wrong in each");
  command->add_flag("--no-stepping", a->no_stepping,
                    "leave out the calls that are single-stepped: dear on an emulated CPU");
  command->add_option("--save", a->save, "a folder: each failure is written to a file there");
  auto* replay = command->add_option("--replay", a->replay, "run the failure saved in this file again");
  add_plugin_flag(*command, a->plugins);
  command->add_option("--cpu", a->cpu, "on an emulated CPU of `ci/emulate.sh --list`")->excludes("--save");  // no folder comes back
  auto* exhaustive =
      command->add_flag("--exhaustive", a->exhaustive, "all 2^32 inputs of the elementwise functions of one float");
  auto* large =
      command->add_flag("--large", a->large, "one sample at a length of over 2^31 bytes: up to 9 GiB of memory");
  // Each of these is another check; what one of them would not heed is not taken with it.
  for (CLI::Option* one : {block, model, one_case, replay, exhaustive, large}) {
    for (CLI::Option* other : {block, model, one_case, replay, exhaustive, large, stride, seconds, keep_going}) {
      if (one != other && !(one == exhaustive && other == stride)) {
        one->excludes(other);
      }
    }
  }
  for (CLI::Option* one : {block, one_case, replay}) {
    one->excludes(kernel);
  }
  model->excludes(samples);
  command->add_option("--junit", a->junit, "write the verdicts to this file, too, as JUnit's XML for CI systems");
  add_report_flags(*command, a->reports);
  auto* json = command->add_flag("--json", a->json, "for programs");
  command->add_flag("--github", a->github, "failures as annotations of GitHub Actions, too")->excludes(json);
  command->callback([a, variant, &status] {
    a->all_variants = variant->count() == 0;
    status = run_check(*a);
  });
}

}  // namespace assay
