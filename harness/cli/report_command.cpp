// Reports from files: no measuring.
#include <fmt/format.h>

#include <memory>

#include "harness/cli/commands.h"
#include "harness/cli/report_files.h"
#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "reports/inputs.h"
#include "reports/page/page.h"

namespace assay {
namespace {

struct ReportArguments {
  std::vector<std::string> inputs;
  ReportFiles files;
  std::string site;
};

int run_report(const ReportArguments& a) {
  if (!a.files.any() && a.site.empty()) {
    throw InputError("say what to write: --html, --markdown, --summary or --site");
  }
  check_writable(a.files);
  const std::vector<Report> reports = read_reports(a.inputs);
  write_reports(a.files, reports);
  if (!a.site.empty()) {
    write_site(a.site, reports, find_charts());
  }
  return 0;
}

}  // namespace

void add_report_command(CLI::App& app, int& status) {
  auto a = std::make_shared<ReportArguments>();
  auto* command = app.add_subcommand("report",
                                     "a page, Markdown or a summary of what bench --out, check --json, tune --out, "
                                     "predict --json and bench-model -o json wrote");
  command
      ->add_option("RUN", a->inputs,
                   "their files, or summaries. Those of one CPU are one report; of two that time the same the later is "
                   "another, and\n"
                   "several reports are shown beside each other")
      ->required()
      ->check(
          [](const std::string& path) {
            return path.starts_with('-')
                       ? fmt::format("{} is no option; a file of that name is ./{}", quote(path), path)
                       : "";
          },
          "");
  add_report_flags(*command, a->files);
  command->add_option("--site", a->site,
                      "write a page for each report and an index to this folder, for any web server");
  command->callback([a, &status] { status = run_report(*a); });
}

}  // namespace assay
