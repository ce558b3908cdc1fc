// Variant x shape, as share of the limit. A row's id is kernel/class: what links name.
#include <fmt/format.h>

#include <algorithm>

#include "reports/figures.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {
namespace {

/// Of an ISA's variants the one to use, else the fastest: its nickname is small.
Cell heat_cell(const KernelSummary& kernel, size_t shape, const std::string& isa) {
  const ShapeSummary& s = kernel.shapes[shape];
  const VariantSummary* shown = nullptr;
  for (const auto& v : kernel.variants) {
    const TimeSummary* time = time_at(v, shape);
    if (time == nullptr || isa_of_label(v.variant) != isa) {
      continue;
    }
    if (shown == nullptr || v.variant == s.use ||
        (shown->variant != s.use && time->median < time_at(*shown, shape)->median)) {
      shown = &v;
    }
  }
  if (shown == nullptr) {
    return {"", "", "none"};
  }
  const TimeSummary& time = *time_at(*shown, shape);
  const double share = share_of_limit(s, time);
  Cell cell;
  const bool use = shown->variant == s.use;
  cell.text = fmt::format("{}{}", use ? "▸ " : "", share > 0 ? percent_text(share) : time_text(time.median));
  cell.note = shown->variant.size() > isa.size() ? fmt::format(" {}", shown->variant.substr(isa.size() + 1)) : "";
  cell.css = use ? "use" : "";
  cell.heat = share;
  return cell;
}

}  // namespace

std::string heat_map_html(const PagePart& part) {
  const Report& s = part.summary;
  if (!has_times(s)) {
    return "";
  }
  const auto labels = isas_of(s, [](const VariantSummary& v) { return !v.times.empty(); });
  std::vector<Heading> headings = {{"kernel", false}, {"class", false}, {"limit"}};
  for (const auto& label : labels) {
    headings.push_back({label, true, to_string(maker_of(label))});
  }
  HtmlTable table("Share of the limit of each variant at each class of shapes", headings, "heatmap");
  size_t over = 0;
  for (const auto& kernel : s.kernels) {
    for (size_t i = 0; i < kernel.shapes.size(); ++i) {
      const ShapeSummary& shape = kernel.shapes[i];
      std::vector<Cell> cells = {{kernel.name}, {shape.label, "", "", shape_text(kernel, shape)}};
      cells.push_back({shape.limit_ns > 0 ? time_text(shape.limit_ns) : "?", fmt::format(" {}", shape.limit)});
      for (const auto& label : labels) {
        cells.push_back(heat_cell(kernel, i, label));
      }
      table.row(cells, part.id(fmt::format("{}/{}", kernel.name, shape.label)));
      const Best best = best_of(kernel, i);
      over += best.variant != nullptr && share_of_limit(shape, best.time) > 1.005;
    }
  }
  std::string words =
      "The more colour, the nearer to the limit (peak or bandwidth, whichever binds); ▸ marks the variant to use.";
  if (over > 0) {
    words += fmt::format(" At {} classes the best is over 100%: there the limit is counted or measured wrong.", over);
  }
  return section_html(part.id("heat"), "Variant by shape", fmt::format("<p>{}</p>\n{}", html(words), table.text()));
}

}  // namespace assay
