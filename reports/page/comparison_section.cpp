// Several reports beside each other.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "reports/figures.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {
namespace {

struct Found {
  const KernelSummary* kernel = nullptr;
  size_t shape = 0;
  const TimeSummary* time = nullptr;  ///< of what is used

  const ShapeSummary& at() const { return kernel->shapes[shape]; }
};

Found find_class(const Report& report, const std::string& kernel, const std::string& label) {
  const auto k = std::ranges::find(report.kernels, kernel, &KernelSummary::name);
  if (k == report.kernels.end()) {
    return {};
  }
  const auto s = std::ranges::find(k->shapes, label, &ShapeSummary::label);
  if (s == k->shapes.end()) {
    return {};
  }
  const auto index = static_cast<size_t>(s - k->shapes.begin());
  return {&*k, index, time_of(*k, s->use, index)};
}

/// Kernel and class of all that some report timed, in order.
std::vector<std::pair<std::string, std::string>> classes_of_all(const std::vector<Report>& reports) {
  std::vector<std::pair<std::string, std::string>> all;
  std::set<std::pair<std::string, std::string>> known;
  std::set<std::string> kernels;
  for (const auto& report : reports) {
    for (const auto& kernel : report.kernels) {
      kernels.insert(kernel.name);
    }
  }
  for (const auto& name : kernels) {
    for (const auto& report : reports) {
      const auto kernel = std::ranges::find(report.kernels, name, &KernelSummary::name);
      for (size_t i = 0; kernel != report.kernels.end() && i < kernel->shapes.size(); ++i) {
        if (known.emplace(name, kernel->shapes[i].label).second) {
          all.emplace_back(name, kernel->shapes[i].label);
        }
      }
    }
  }
  return all;
}

/// The later time over the first's, where both are of one CPU and one shape.
Cell change_cell(const Found& before, const Found& after, size_t& faster, size_t& slower) {
  if (before.time == nullptr || after.time == nullptr || before.at().sizes != after.at().sizes) {
    return {"–"};
  }
  const double ratio = after.time->median / before.time->median;
  const bool is_faster = after.time->high < before.time->low;
  const bool is_slower = after.time->low > before.time->high;
  faster += is_faster;
  slower += is_slower;
  return {fmt::format("{}{:.3f}",
                      is_faster   ? "▲ "
                      : is_slower ? "▼ "
                                  : "",
                      ratio),
          is_faster   ? " faster"
          : is_slower ? " slower"
                      : " no different",
          is_faster   ? "faster"
          : is_slower ? "slower"
                      : ""};
}

}  // namespace

std::string comparison_html(const std::vector<Report>& reports) {
  const bool one_cpu =
      std::ranges::all_of(reports, [&](const Report& r) { return r.cpu.is_same(reports.front().cpu); });
  std::vector<Heading> headings = {{"kernel", false}, {"class", false}};
  for (const auto& report : reports) {
    headings.push_back({fmt::format("{}: use", report.name), false});
    headings.push_back({one_cpu ? "time" : "of the limit"});
  }
  for (size_t i = 1; one_cpu && i < reports.size(); ++i) {
    headings.push_back({fmt::format("{} / {}", reports[i].name, reports.front().name)});
  }
  HtmlTable table("What each report uses", headings, "comparison");
  size_t faster = 0, slower = 0, differing = 0, common = 0;
  for (const auto& [kernel, label] : classes_of_all(reports)) {
    std::vector<Cell> cells = {{kernel}, {label}};
    std::vector<Found> found;
    std::set<std::string> used;
    for (const auto& report : reports) {
      const Found f = find_class(report, kernel, label);
      found.push_back(f);
      if (f.time == nullptr) {
        cells.insert(cells.end(), {{"–"}, {"–"}});
        continue;
      }
      used.insert(f.at().use);
      cells.push_back({f.at().use, f.at().tie ? " tie" : ""});
      Cell figure{one_cpu ? time_text(f.time->median) : percent_text(share_of_limit(f.at(), *f.time))};
      figure.heat = one_cpu ? -1 : share_of_limit(f.at(), *f.time);
      cells.push_back(figure);
    }
    const bool in_all = std::ranges::all_of(found, [](const Found& f) { return f.time != nullptr; });
    common += in_all;
    differing += in_all && used.size() > 1;
    for (size_t i = 1; one_cpu && i < reports.size(); ++i) {
      cells.push_back(change_cell(found.front(), found[i], faster, slower));
    }
    table.row(cells);
  }
  if (table.empty()) {
    return "";
  }
  std::string words =
      fmt::format("Of {} classes that all reports have timed, they use different variants at {}.", common, differing);
  words += one_cpu ? fmt::format(
                         " Over 1: slower than in {}. Beyond both intervals faster {} times, slower {} times; `assay "
                         "compare` tells it with a "
                         "test that allows for so many.",
                         reports.front().name, faster, slower)
                   : " Times of two machines are not compared: the share is of each one's own limit.";
  return section_html("comparison", one_cpu ? "Before and after" : "Beside each other",
                      fmt::format("<p>{}</p>\n{}", html(words), table.text()));
}

}  // namespace assay
