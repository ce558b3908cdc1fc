// What to use of each kernel.
#include <fmt/format.h>

#include <algorithm>

#include "reports/figures.h"
#include "reports/glance.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {
namespace {

/// The least and the most of the limit that what is used reaches.
std::string range_of_shares(const KernelSummary& kernel) {
  double least = 0, most = 0;
  for (size_t i = 0; i < kernel.shapes.size(); ++i) {
    const TimeSummary* used = time_of(kernel, kernel.shapes[i].use, i);
    if (used != nullptr && kernel.shapes[i].limit_ns > 0) {
      const double share = share_of_limit(kernel.shapes[i], *used);
      least = least == 0 ? share : std::min(least, share);
      most = std::max(most, share);
    }
  }
  return most == 0 ? "?" : fmt::format("{} .. {}", percent_text(least), percent_text(most));
}

std::string profile_table(const Report& s) {
  HtmlTable table("The profile's choices and why",
                  {{"kernel", false}, {"class", false}, {"use", false}, {"why", false}});
  for (const auto& c : s.choices) {
    table.row({{c.kernel}, {c.label}, {c.variant}, {c.why}});
  }
  return table.text();
}

}  // namespace

std::string choices_html(const PagePart& part) {
  const Report& s = part.summary;
  std::string body;
  if (has_times(s)) {
    HtmlTable table("What to use of each kernel", {{"kernel", false}, {"use", false}, {"share of the limit", false}});
    for (const auto& kernel : s.kernels) {
      if (!kernel.shapes.empty()) {
        table.row({{kernel.name}, {use_text(kernel, "", ""), "", "use"}, {range_of_shares(kernel)}});
      }
    }
    body = fmt::format(
        "<p>At each class of shapes the variant to use, the one of most classes first. A tie goes to the simplest ISA "
        "that is seen to "
        "lose at most 2%, else to the faster.</p>\n{}",
        table.text());
  }
  if (!s.choices.empty()) {
    const std::string table = profile_table(s);
    body += body.empty() ? table
                         : details_html(fmt::format("The {} choices of the profile and why", s.choices.size()), table);
  }
  return body.empty() ? "" : section_html(part.id("choices"), "What to use", body);
}

}  // namespace assay
