#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "reports/summary.h"

namespace assay {

/// The files that a report is written to; "": not asked for.
struct ReportFiles {
  std::string html, markdown, summary;

  bool any() const { return !html.empty() || !markdown.empty() || !summary.empty(); }
};

/// --html, --markdown and --summary.
void add_report_flags(CLI::App& command, ReportFiles& files);

/// Throws InputError where one of them could not be written: to find out before the work.
void check_writable(const ReportFiles& files);

/// Writes what is asked for. Several reports are one page; InputError if a file for one is asked for of several.
void write_reports(const ReportFiles& files, const std::vector<Report>& reports);

}  // namespace assay
