// Each kernel with all of its times.
#include <fmt/format.h>

#include <algorithm>

#include "reports/figures.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {
namespace {

std::string kernel_table(const KernelSummary& kernel) {
  std::vector<Heading> headings = {{"variant", false}};
  for (const auto& shape : kernel.shapes) {
    headings.push_back({shape.label, true, shape_text(kernel, shape)});
  }
  headings.push_back({"generated in"});
  headings.push_back({"packed"});
  HtmlTable table(fmt::format("Times of {}", kernel.name), headings, "times");
  for (const auto& v : kernel.variants) {
    if (v.times.empty()) {
      continue;
    }
    std::vector<Cell> cells = {{v.variant}};
    for (size_t i = 0; i < kernel.shapes.size(); ++i) {
      const TimeSummary* time = time_at(v, i);
      const bool use = kernel.shapes[i].use == v.variant;
      cells.push_back(time == nullptr ? Cell{"–", "", "none"}
                                      : Cell{fmt::format("{}{}", use ? "▸ " : "", time_text(time->median)),
                                             fmt::format(" {}", interval_text(*time)), use ? "use" : ""});
    }
    cells.push_back({v.generation_ns > 0 ? time_text(v.generation_ns) : ""});
    cells.push_back({v.packed_share > 0
                         ? fmt::format("{:.2f} of the file at {:.1f} GB/s", v.packed_share, v.packing_rate / 1e9)
                         : ""});
    table.row(cells);
  }
  std::vector<Cell> limits = {{"limit"}}, controls = {{"A/A"}};
  for (const auto& shape : kernel.shapes) {
    limits.push_back({shape.limit_ns > 0 ? time_text(shape.limit_ns) : "?", fmt::format(" {}", shape.limit)});
    controls.push_back({fmt::format("{:.3f}", shape.control), shape.tie ? " a tie" : ""});
  }
  table.row(limits);
  table.row(controls);
  return table.text();
}

}  // namespace

std::string kernels_html(const PagePart& part) {
  std::string body;
  for (const auto& kernel : part.summary.kernels) {
    if (!kernel.shapes.empty()) {
      body += details_html(fmt::format("{}: {}", kernel.name, verdict_text(kernel)), kernel_table(kernel),
                           part.id(kernel.name));
    }
  }
  return body.empty()
             ? ""
             : section_html(
                   part.id("kernels"), "Every kernel",
                   fmt::format("<p>Median of the quiet rounds for one call, and its 95% bootstrap interval; ▸ the "
                               "variant to use. "
                               "A/A: a variant's time over its own. -cold: each call finds its data in memory.</p>\n{}",
                               body));
}

}  // namespace assay
