// Kernel x variant: what passed, on this CPU and on emulated ones.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "reports/figures.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {
namespace {

bool was_emulated(const VariantSummary& v) {
  return std::ranges::any_of(v.emulated, [](double n) { return n > 0; });
}

/// A sign, a word or a number: never a colour alone.
Cell cell_of(const VariantSummary& v) {
  Cell cell;
  const bool emulated = was_emulated(v);
  const bool failed_emulated = std::ranges::count(v.emulated, -1.0) != 0;
  if (v.status == "pass") {
    cell = {fmt::format("✓ {}", count_text(v.samples)), "", "pass",
            fmt::format("{}: {} samples, at most {:.3g} ULP and {:.3g} of the bound", v.variant, count_text(v.samples),
                        v.max_ulp, v.over_bound)};
  } else if (v.status == "claimed") {
    cell = {"~ claimed", "", "claimed", fmt::format("{}: {}", v.variant, v.reason)};
  } else if (v.status == "fail") {
    cell = {"✗ fail", "", "fail", fmt::format("{}: {}", v.variant, v.reason)};
  } else {
    cell = {emulated ? "✓ emulated" : "–", "", emulated ? "emulated" : "none",
            v.reason.empty() ? "not tried here" : fmt::format("{}: {}", v.variant, v.reason)};
  }
  if (failed_emulated) {
    cell.text += " ✗ on an emulated CPU";
    cell.css = "fail";
  }
  return cell;
}

/// The variants of an ISA in one cell: that which is worst gives the colour, each its sign.
Cell cell_of_isa(const KernelSummary& kernel, const std::string& isa) {
  Cell all;
  for (const auto& v : kernel.variants) {
    if (isa_of_label(v.variant) != isa) {
      continue;
    }
    Cell one = cell_of(v);
    if (all.text.empty()) {
      all = one;
      continue;
    }
    all.note += fmt::format(" {} {}", one.text.substr(0, one.text.find(' ')),
                            v.variant.substr(std::min(isa.size() + 1, v.variant.size())));
    all.title += fmt::format("\n{}", one.title);
    all.css = one.css == "fail" ? "fail" : all.css;
  }
  return all;
}

std::string failures_of(const Report& s) {
  std::string items;
  for (const auto& kernel : s.kernels) {
    for (const auto& v : kernel.variants) {
      if (v.status == "fail" || v.status == "claimed") {
        items +=
            fmt::format("<li><strong>{} {}</strong>: {}</li>\n", html(fmt::format("{}/{}", kernel.name, v.variant)),
                        v.status == "fail" ? "fails" : "keeps what it claims", html(v.reason));
      }
    }
  }
  return items.empty() ? "" : fmt::format("<ul>\n{}</ul>\n", items);
}

std::string emulated_table(const Report& s) {
  std::vector<Heading> headings = {{"variant", false}};
  for (const auto& cpu : s.emulated_cpus) {
    headings.push_back({cpu});
  }
  HtmlTable table("Samples that passed on each emulated CPU", headings);
  for (const auto& kernel : s.kernels) {
    for (const auto& v : kernel.variants) {
      if (v.emulated.empty()) {
        continue;
      }
      std::vector<Cell> cells = {{fmt::format("{}/{}", kernel.name, v.variant)}};
      for (const double n : v.emulated) {
        cells.push_back(n > 0   ? Cell{fmt::format("✓ {}", count_text(n)), "", "pass"}
                        : n < 0 ? Cell{"✗ fail", "", "fail"}
                                : Cell{"–", "", "none"});
      }
      table.row(cells);
    }
  }
  return details_html(fmt::format("Variant by variant on {} emulated CPUs", s.emulated_cpus.size()), table.text());
}

}  // namespace

std::string verdicts_html(const PagePart& part) {
  const Report& s = part.summary;
  const auto columns = isas_of(s, [](const VariantSummary& v) { return !v.status.empty() || !v.emulated.empty(); });
  if (columns.empty()) {
    return "";
  }
  std::vector<Heading> headings = {{"kernel", false}};
  for (const auto& column : columns) {
    headings.push_back({column, true, to_string(maker_of(column))});
  }
  HtmlTable table("Verdicts of each kernel's variants", headings, "verdicts");
  for (const auto& kernel : s.kernels) {
    std::vector<Cell> cells = {{kernel.name}};
    for (const auto& column : columns) {
      cells.push_back(cell_of_isa(kernel, column));
    }
    table.row(cells);
  }
  const std::string words =
      "✓ passed with so many samples; ✗ failed; ~ keeps what it claims, which is no pass; – cannot run on this CPU, "
      "which is no pass "
      "either. Small: further variants of the ISA.";
  return section_html(
      part.id("verdicts"), "Is it right?",
      fmt::format(
          "<p>{}{}</p>\n{}{}{}", html(words),
          s.emulated_cpus.empty() ? "" : html(fmt::format(" Emulated CPUs: {}.", fmt::join(s.emulated_cpus, ", "))),
          failures_of(s), table.text(), s.emulated_cpus.empty() ? "" : emulated_table(s)));
}

}  // namespace assay
