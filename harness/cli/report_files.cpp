#include "harness/cli/report_files.h"

#include <fmt/format.h>

#include "harness/runtime/atomic_file.h"
#include "harness/runtime/error.h"
#include "reports/markdown.h"
#include "reports/page/page.h"

namespace assay {

void add_report_flags(CLI::App& command, ReportFiles& files) {
  command.add_option("--html", files.html, "write the report as a page to this file, which needs nothing else");
  command.add_option("--markdown,--md", files.markdown, "write the report as Markdown to this file");
  command.add_option("--summary", files.summary,
                     "write what reports are made of to this file, to be kept: JSON without samples");
}

void check_writable(const ReportFiles& files) {
  for (const auto& path : {files.html, files.markdown, files.summary}) {
    if (!path.empty()) {
      check_writable(path);
    }
  }
}

void write_reports(const ReportFiles& files, const std::vector<Report>& reports) {
  if (reports.size() != 1 && !(files.markdown.empty() && files.summary.empty())) {
    throw InputError(fmt::format(
        "--markdown and --summary are of one report, these are {}: give the files of one CPU that time nothing twice",
        reports.size()));
  }
  if (!files.summary.empty()) {
    write_file_atomically(files.summary, summary_text(reports.front()));
  }
  if (!files.markdown.empty()) {
    write_file_atomically(files.markdown, markdown_of(reports.front()));
  }
  if (!files.html.empty()) {
    write_file_atomically(files.html, page_of(reports, find_charts()));
  }
}

}  // namespace assay
