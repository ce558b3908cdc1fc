#include "reports/page/page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "harness/runtime/atomic_file.h"
#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "reports/figures.h"
#include "reports/glance.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {
namespace {

struct NamedSection {
  const char* id;
  const char* title;  ///< in the navigation
  std::string (*make)(const PagePart&);
};

constexpr NamedSection kSections[] = {
    {"verdicts", "Right?", verdicts_html},
    {"choices", "What to use", choices_html},
    {"question", "Compiler?", question_html},
    {"roofline", "Limits", roofline_html},
    {"heat", "Heat map", heat_map_html},
    {"sizes", "Sizes", sizes_html},
    {"rounds", "Rounds", rounds_html},
    {"errors", "Errors", errors_html},
    {"prediction", "Prediction", prediction_html},
    {"models", "Models", models_html},
    {"kernels", "Kernels", kernels_html},
};

/// The links of a report's sections, and the sections.
struct ReportHtml {
  std::string links, sections;
};

ReportHtml report_html(const PagePart& part) {
  ReportHtml made;
  for (const auto& section : kSections) {
    if (const std::string text = section.make(part); !text.empty()) {
      made.links += fmt::format("<a href=\"#{}\">{}</a>\n", html(part.id(section.id)), html(section.title));
      made.sections += text;
    }
  }
  return made;
}

std::string footer_html(const Charts& charts) {
  std::string text = fmt::format(
      "<p>Made by assay {} (MIT licence). Times are medians of one thread on the machine named; they compare within "
      "one "
      "report.</p>\n",
      ASSAY_VERSION);
  if (charts.script.empty()) {
    return text + "<p>Without charts: ci/charts.sh, which wants npm, had not put them beside the program.</p>\n";
  }
  return text + details_html("Licences of the charts' library, Vega-Lite",
                             fmt::format("<pre>{}</pre>\n", html(charts.licences)));
}

std::string document(const std::string& title, const std::string& body, const Charts& charts) {
  // Nothing is fetched, whatever a report says. Vega makes functions of its specifications: unsafe-eval.
  const char* policy =
      "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data:; "
      "base-uri 'none'; form-action 'none'";
  std::string text = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n<meta http-equiv=\"Content-Security-Policy\" "
      "content=\"{}\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n{}</style>\n"
      "<noscript><style>.chart {{ display: none }}</style></noscript>\n</head>\n<body>\n{}<footer>\n{}</footer>\n",
      policy, html(title), kPageStyle, body, footer_html(charts));
  if (!charts.script.empty()) {
    text += fmt::format("<script>\n{}\n</script>\n", charts.script);
  }
  return text + fmt::format("<script>\n{}</script>\n</body>\n</html>\n", kPageScript);
}

std::string title_of(const Report& s) {
  return s.cpu.codename.empty() ? s.cpu.brand : fmt::format("{} ({})", s.cpu.codename, s.cpu.brand);
}

std::string heading_of(const Report& s, const char* tag) {
  const std::string small = s.cpu.codename.empty() ? "" : fmt::format(" <small>{}</small>", html(s.cpu.brand));
  return fmt::format("<{0}>{1}{2}</{0}>\n<p class=\"date\">measured {3}</p>\n", tag, html(short_name(s)), small,
                     html(dates_text(s)));
}

std::string data_html(const std::vector<Report>& reports) {
  auto all = nlohmann::json::array();
  for (const auto& report : reports) {
    all.push_back(nlohmann::json::parse(summary_text(report)));
  }
  return fmt::format("<script type=\"application/json\" id=\"data\">{}</script>\n", script_json(all));
}

/// What of a name may stand in an address and in a file's name.
std::string file_name_of(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    out += plain ? c : '-';
  }
  return fmt::format("{}.html", out);
}

std::string index_html(const std::vector<Report>& reports) {
  HtmlTable table("The reports", {{"CPU", false},
                                  {"measured", false},
                                  {"passed"},
                                  {"failed"},
                                  {"shapes"},
                                  {"of the limit, median"},
                                  {"against the compiler's best"}});
  std::string links;
  for (const auto& report : reports) {
    const Glance g = glance_of(report);
    table.row({{title_of(report)},
               {dates_text(report)},
               {count_text(static_cast<double>(g.passed))},
               {count_text(static_cast<double>(g.failed))},
               {count_text(static_cast<double>(g.shapes))},
               {percent_text(g.median_share)},
               {g.compared == 0 ? "–" : fmt::format("{:.2f}×", g.mean_speedup)}});
    links +=
        fmt::format("<a class=\"card\" href=\"{}\"><h3>{}</h3><p class=\"figure\">{}</p><p>{}</p></a>\n",
                    file_name_of(report.name), html(report.name), html(short_name(report)), html(report.cpu.brand));
  }
  if (reports.size() > 1) {
    links +=
        "<a class=\"card\" href=\"all.html\"><h3>all</h3><p class=\"figure\">beside each other</p><p>in one "
        "page</p></a>\n";
  }
  return fmt::format(
      "<header><h1>assay: reports of CPUs</h1></header>\n<main>\n<div "
      "class=\"cards\">\n{}</div>\n<section>\n{}</section>\n{}</main>\n",
      links, table.text(), reports.size() > 1 ? comparison_html(reports) : "");
}

}  // namespace

std::string page_of(const std::vector<Report>& reports, const Charts& charts) {
  const bool several = reports.size() > 1;
  std::string links, body;
  if (several) {
    const std::string comparison = comparison_html(reports);
    links += comparison.empty() ? "" : "<a href=\"#comparison\">Comparison</a>\n";
    body += comparison;
  }
  for (size_t i = 0; i < reports.size(); ++i) {
    const PagePart part{reports[i], i == 0 ? "" : fmt::format("{}:", i + 1), !charts.script.empty()};
    const ReportHtml made = report_html(part);
    const std::string id = part.id("report");
    if (several) {
      links += fmt::format("<a href=\"#{}\">{}</a>\n", html(id), html(reports[i].name));
      body += fmt::format("<article id=\"{}\">\n{}{}<nav aria-label=\"Sections\">{}</nav>\n{}</article>\n", html(id),
                          heading_of(reports[i], "h1"), glance_html(part), made.links, made.sections);
    } else {
      links += made.links;
      body += fmt::format("<article id=\"{}\">\n{}{}</article>\n", html(id), glance_html(part), made.sections);
    }
  }
  std::vector<std::string> names;
  std::ranges::transform(reports, std::back_inserter(names), title_of);
  const std::string title = fmt::format("assay: {}", fmt::join(names, ", "));
  const std::string head =
      several ? fmt::format("<h1>{} reports</h1>\n", reports.size()) : heading_of(reports.front(), "h1");
  return document(title,
                  fmt::format("<header>\n<p class=\"brand\">assay</p>\n{}</header>\n<nav class=\"main\" "
                              "aria-label=\"Sections\">\n{}</nav>\n<main>\n{}</main>\n{}",
                              head, links, body, data_html(reports)),
                  charts);
}

void write_site(const std::string& folder, const std::vector<Report>& reports, const Charts& charts) {
  std::set<std::string> names = {"index.html", "all.html"};
  for (const auto& report : reports) {
    if (!names.insert(file_name_of(report.name)).second) {
      throw InputError(
          fmt::format("two pages of the site would be {}: give the files other names", file_name_of(report.name)));
    }
  }
  for (const auto& report : reports) {
    write_file_atomically(fmt::format("{}/{}", folder, file_name_of(report.name)), page_of({report}, charts));
  }
  if (reports.size() > 1) {
    write_file_atomically(fmt::format("{}/all.html", folder), page_of(reports, charts));
  }
  write_file_atomically(fmt::format("{}/index.html", folder),
                        document("assay: reports of CPUs", index_html(reports), {}));
}

}  // namespace assay
