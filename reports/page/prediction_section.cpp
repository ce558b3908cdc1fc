// What llvm-mca says of a call, and what it takes.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "reports/figures.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {
namespace {

nlohmann::json prediction_chart(const Report& s) {
  auto values = nlohmann::json::array();
  double least = 0, most = 0;
  for (const auto& p : s.predictions) {
    if (p.predicted > 0 && p.measured > 0) {
      least = std::min({least == 0 ? p.predicted : least, p.predicted, p.measured});
      most = std::max({most, p.predicted, p.measured});
      values.push_back({{"kernel", p.kernel},
                        {"variant", p.variant},
                        {"maker", to_string(maker_of(p.variant))},
                        {"predicted", p.predicted},
                        {"measured", p.measured}});
    }
  }
  const auto axis = [](const char* field) {
    return nlohmann::json{{"field", field},
                          {"type", "quantitative"},
                          {"title", fmt::format("{} cycles of a call", field)},
                          {"scale", {{"type", "log"}}}};
  };
  nlohmann::json diagonal = nlohmann::json::array();
  diagonal.push_back({{"predicted", least}, {"measured", least}});
  diagonal.push_back({{"predicted", most}, {"measured", most}});
  const nlohmann::json maker = maker_encoding(values);
  return {
      {"width", "container"},
      {"height", 360},
      {"layer",
       {{{"data", {{"values", diagonal}}},
         {"mark", {{"type", "line"}, {"strokeDash", {4, 3}}}},
         {"encoding", {{"x", axis("predicted")}, {"y", axis("measured")}}}},
        {{"data", {{"values", values}}},
         {"mark",
          {{"type", "point"}, {"filled", true}, {"size", 50}, {"opacity", 0.75}, {"tooltip", {{"content", "data"}}}}},
         {"encoding",
          {{"x", axis("predicted")},
           {"y", axis("measured")},
           {"color", maker["color"]},
           {"shape", maker["shape"]}}}}}}};
}

}  // namespace

std::string prediction_html(const PagePart& part) {
  const Report& s = part.summary;
  if (s.predictions.empty()) {
    return "";
  }
  HtmlTable table("Cycles of one call, predicted and measured", {{"kernel", false},
                                                                 {"variant", false},
                                                                 {"class", false},
                                                                 {"predicted"},
                                                                 {"measured"},
                                                                 {"measured / predicted"},
                                                                 {"of the call predicted"},
                                                                 {"", false}});
  std::vector<double> ratios;
  for (const auto& p : s.predictions) {
    const bool both = p.predicted > 0 && p.measured > 0;
    if (both) {
      ratios.push_back(p.measured / p.predicted);
    }
    table.row({{p.kernel},
               {p.variant},
               {p.label},
               {p.predicted > 0 ? fmt::format("{:.0f}", p.predicted) : "?"},
               {p.measured > 0 ? fmt::format("{:.0f}", p.measured) : "–"},
               {both ? fmt::format("{:.2f}", p.measured / p.predicted) : "–"},
               {p.covered > 0 ? percent_text(p.covered) : "?"},
               {p.missing}});
  }
  std::string words = fmt::format("llvm-mca for {}: every load hits the L1 cache, every branch is foreseen.",
                                  s.predictions.front().model);
  if (ratios.empty()) {
    return section_html(part.id("prediction"), "Prediction",
                        fmt::format("<p>{} Nothing was measured beside.</p>\n{}", html(words), table.text()));
  }
  words += fmt::format(
      " Of {} variants that were measured too, a call takes {:.2f} times what is predicted in the median, and {:.2f} "
      "to {:.2f} times in the middle "
      "half. On the dashed line both are the same.",
      ratios.size(), quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75));
  return section_html(part.id("prediction"), "Prediction against measurement",
                      chart_html(part, "prediction-chart", words, prediction_chart(s), table.text()));
}

}  // namespace assay
