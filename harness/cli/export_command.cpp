// Chosen kernels as sources that other people's builds take in.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "harness/cli/commands.h"
#include "harness/export/evidence.h"
#include "harness/export/fragments.h"
#include "harness/export/package.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

struct ExportArguments {
  std::string fleet, to, check;
  ExportOptions options;
  double percent = 5;
  bool no_generators = false;
  std::string format = "source";
  bool library = false;
};

int run_check(const ExportArguments& a) {
  const auto different = drift_of(Recipe::load(), a.check);
  for (const auto& name : different) {
    fmt::print("{}/{} is not as it would be exported now\n", a.check, name);
  }
  if (different.empty()) {
    fmt::print("{} is as it would be exported now\n", a.check);
  }
  return different.empty() ? 0 : 1;
}

int run_export(ExportArguments a) {
  if (!a.check.empty()) {
    return run_check(a);
  }
  if (a.library) {
    write_files(a.to, make_library(Recipe::load()));
    return 0;
  }
  if (a.fleet.empty()) {
    throw InputError("export takes a fleet that `assay merge` wrote, or a profile of `assay tune`; or --check FOLDER");
  }
  a.options.set.within = a.percent / 100;
  a.options.set.generators = !a.no_generators;
  a.options.single_file = a.format == "header";
  const Package package = make_package(Recipe::load(), read_fleet(a.fleet), a.options);
  if (a.format == "json" || a.format == "cmake") {
    fmt::print("{}", a.format == "json" ? choices_json(package) : choices_cmake(package));
    return 0;
  }
  if (a.to.empty()) {
    throw InputError("export writes a folder: name one with --to");
  }
  write_package(a.to, package);
  fmt::print("What any 1, 2 or 3 variants lose at worst, and what was taken to stay within {:.1f}%:\n\n{}\n", a.percent,
             losses_text(package.contents));
  if (!package.left_out.empty()) {
    fmt::print("not measured, and so left out: {}\n", fmt::join(package.left_out, ", "));
  }
  fmt::print("{} kernels, {} files, for {} CPU{}: written to {}; evidence.md there says why\n",
             package.contents.sets.size(), package.files.size(), package.fleet.members.size(),
             package.fleet.members.size() == 1 ? "" : "s", a.to);
  return 0;
}

}  // namespace

void add_export_command(CLI::App& app, int& status) {
  auto a = std::make_shared<ExportArguments>();
  auto* command = app.add_subcommand("export", "the chosen kernels as a folder that builds without assay");
  command->add_option("fleet", a->fleet, "what `merge` wrote, or a profile");
  command->add_option("--to", a->to, "the folder: new, empty, or an export that nobody has changed");
  command->add_option("--kernels", a->options.kernels, "globs, separated by commas")->capture_default_str();
  command
      ->add_option("--within", a->percent,
                   "percent that any CPU may lose at any class: the fewest variants that keep to it")
      ->check(CLI::Range(0.1, 1000.0))
      ->capture_default_str();
  command->add_flag("--no-jit", a->no_generators, "without generated code, for systems that forbid it");
  command
      ->add_option(
          "--format", a->format,
          "source: the folder; header: one header and one file of C++; cmake or json: only the choices, on stdout")
      ->check(CLI::IsMember({"source", "header", "cmake", "json"}))
      ->capture_default_str();
  command->add_option("--check", a->check, "instead: is this folder as it would be exported now? Exit status 1 if not");
  // What the build of assay's own library of all variants calls.
  command->add_flag("--library", a->library)->group("");
  command->callback([a, &status] { status = run_export(*a); });
}

}  // namespace assay
