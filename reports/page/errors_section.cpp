// How large the errors are that `check` saw: over the contract's bound, and in units of the last place.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harness/check/judge.h"
#include "reports/figures.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {
namespace {

/// Variants whose errors are the same: most of one kernel's compute alike.
struct ErrorGroup {
  std::string kernel;
  std::vector<std::string> variants;
  const VariantSummary* first;

  std::string names() const { return fmt::format("{}", fmt::join(variants, ", ")); }
};

std::vector<ErrorGroup> groups_of(const Report& s) {
  std::vector<ErrorGroup> groups;
  for (const auto& kernel : s.kernels) {
    const size_t begin = groups.size();
    for (const auto& v : kernel.variants) {
      if (v.bound_bins.empty()) {
        continue;
      }
      const auto same = std::find_if(
          groups.begin() + static_cast<ptrdiff_t>(begin), groups.end(),
          [&](const ErrorGroup& g) { return g.first->bound_bins == v.bound_bins && g.first->ulp_bins == v.ulp_bins; });
      if (same != groups.end()) {
        same->variants.push_back(v.variant);
      } else {
        groups.push_back({kernel.name, {v.variant}, &v});
      }
    }
  }
  return groups;
}

double share_in_bin(const std::vector<double>& bins, size_t i) { return i < bins.size() ? bins[i] / 10000 : 0; }

std::string errors_table(const std::vector<ErrorGroup>& groups, const std::string& caption,
                         const std::vector<std::string>& names, const std::vector<double> VariantSummary::*bins) {
  std::vector<Heading> headings = {{"kernel", false}, {"variants", false}};
  for (const auto& name : names) {
    headings.push_back({name});
  }
  HtmlTable table(caption, headings, "errors");
  for (const auto& g : groups) {
    std::vector<Cell> cells = {{g.kernel}, {g.names()}};
    for (size_t i = 0; i < names.size(); ++i) {
      const double share = share_in_bin(g.first->*bins, i);
      Cell cell;
      if (share > 0) {
        cell.text = share <= 0.0001 ? "≤0.01%" : fmt::format("{:.3g}%", 100 * share);
        cell.heat = share;
      }
      cells.push_back(cell);
    }
    table.row(cells);
  }
  return table.text();
}

/// One of the two histograms of a kernel's groups.
nlohmann::json histogram(const char* what, const std::vector<std::string>& names) {
  return {{"transform", {{{"filter", fmt::format("datum.kernel == of && datum.what == '{}'", what)}}}},
          {"facet",
           {{"row",
             {{"field", "variants"},
              {"type", "nominal"},
              {"title", nullptr},
              {"header",
               {{"labelAnchor", "start"},
                {"labelAngle", 0},
                {"labelAlign", "left"},
                {"labelOrient", "top"},
                {"labelLimit", 420}}}}}}},
          {"spec",
           {{"width", 300},
            {"height", 70},
            {"mark", {{"type", "bar"}, {"tooltip", {{"content", "data"}}}}},
            {"encoding",
             {{"x",
               {{"field", "bin"},
                {"type", "ordinal"},
                {"title", what},
                {"sort", names},
                {"scale", {{"domain", names}}},
                {"axis", {{"labelAngle", -40}}}}},
              {"y", {{"field", "percent"}, {"type", "quantitative"}, {"title", "% of results"}}}}}}}};
}

nlohmann::json errors_chart(const std::vector<ErrorGroup>& groups) {
  auto values = nlohmann::json::array();
  auto kernels = nlohmann::json::array();
  for (const auto& g : groups) {
    if (kernels.empty() || kernels.back() != g.kernel) {
      kernels.push_back(g.kernel);
    }
    const auto add = [&](const char* what, const std::vector<double>& bins, const std::vector<std::string>& names) {
      for (size_t i = 0; i < names.size(); ++i) {
        if (const double share = share_in_bin(bins, i); share > 0) {
          values.push_back({{"kernel", g.kernel},
                            {"variants", g.names()},
                            {"what", what},
                            {"bin", names[i]},
                            {"percent", 100 * share}});
        }
      }
    };
    add("share of the bound", g.first->bound_bins, bound_bin_names());
    add("ULP", g.first->ulp_bins, ulp_bin_names());
  }
  return {{"data", {{"values", values}}},
          {"params",
           {{{"name", "of"},
             {"value", kernels.front()},
             {"bind", {{"input", "select"}, {"options", kernels}, {"name", "kernel "}}}}}},
          {"hconcat", {histogram("share of the bound", bound_bin_names()), histogram("ULP", ulp_bin_names())}}};
}

}  // namespace

std::string errors_html(const PagePart& part) {
  const auto groups = groups_of(part.summary);
  if (groups.empty()) {
    return "";
  }
  double worst = 0;
  std::string worst_name;
  for (const auto& g : groups) {
    if (g.first->over_bound > worst) {
      worst = g.first->over_bound;
      worst_name = fmt::format("{}/{}", g.kernel, g.variants.front());
    }
  }
  const std::string words = fmt::format(
      "Share of the results whose error lies in each tenth of what the contract allows, and in units of the last "
      "place; variants that "
      "err alike are together, those that are exact are left out. The worst met is {:.3g} of its bound, by {}.",
      worst, worst_name);
  const std::string tables =
      errors_table(groups, "Errors over the contract's bound", bound_bin_names(), &VariantSummary::bound_bins) +
      errors_table(groups, "Errors in units of the last place", ulp_bin_names(), &VariantSummary::ulp_bins);
  return section_html(part.id("errors"), "How large are the errors?",
                      chart_html(part, "errors-chart", words, errors_chart(groups), tables));
}

}  // namespace assay
