// How fast models run, and where the time goes.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "reports/figures.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {
namespace {

nlohmann::json models_chart(const Report& s) {
  auto values = nlohmann::json::array();
  for (const auto& m : s.models) {
    values.push_back({{"model", m.model},
                      {"test", m.test},
                      {"threads", m.threads},
                      {"tokens a second", m.rate},
                      {"low", std::max(0.0, m.rate - m.deviation)},
                      {"high", m.rate + m.deviation}});
  }
  const nlohmann::json y = {{"field", "test"}, {"type", "nominal"}, {"title", nullptr}};
  return {
      {"data", {{"values", values}}},
      {"facet",
       {{"row",
         {{"field", "model"},
          {"type", "nominal"},
          {"title", nullptr},
          {"header", {{"labelAngle", 0}, {"labelAlign", "left"}, {"labelOrient", "top"}}}}}}},
      {"resolve", {{"scale", {{"x", "independent"}}}}},
      {"spec",
       {{"width", 520},
        {"height", {{"step", 26}}},
        {"layer",
         {{{"mark", {{"type", "bar"}, {"tooltip", {{"content", "data"}}}}},
           {"encoding",
            {{"y", y}, {"x", {{"field", "tokens a second"}, {"type", "quantitative"}, {"title", "tokens a second"}}}}}},
          {{"mark", {{"type", "rule"}, {"strokeWidth", 2}}},
           {"encoding",
            {{"y", y}, {"x", {{"field", "low"}, {"type", "quantitative"}}}, {"x2", {{"field", "high"}}}}}}}}}}};
}

std::string kernels_of_models(const Report& s) {
  HtmlTable table("Where a model's time goes",
                  {{"model", false}, {"test", false}, {"kernel", false}, {"share of the time"}});
  for (const auto& m : s.models) {
    for (const auto& p : m.kernels) {
      Cell share{percent_text(p.share)};
      share.bar = p.share;
      table.row({{m.model}, {m.test}, {p.kernel}, share});
    }
  }
  return table.empty() ? "" : table.text();
}

}  // namespace

std::string models_html(const PagePart& part) {
  const Report& s = part.summary;
  if (s.models.empty()) {
    return "";
  }
  double most = 0;
  for (const auto& m : s.models) {
    most = std::max(most, m.rate);
  }
  HtmlTable table(
      "Tokens a second",
      {{"model", false}, {"test", false}, {"threads"}, {"tokens a second"}, {"of the bandwidth"}, {"of the peak"}});
  for (const auto& m : s.models) {
    Cell rate{fmt::format("{:.2f}", m.rate), fmt::format(" ± {:.2f}", m.deviation)};
    rate.bar = most > 0 ? m.rate / most : 0;
    table.row({{m.model},
               {m.test},
               {fmt::format("{:.0f}", m.threads)},
               rate,
               {m.bandwidth_share > 0 ? percent_text(m.bandwidth_share) : "–"},
               {m.peak_share > 0 ? percent_text(m.peak_share) : "–"}});
  }
  const std::string words =
      "pp: tokens of a prompt, read together; tg: tokens generated one by one; with the standard deviation over the "
      "repetitions. The shares are of what as many cores "
      "as there are threads measured.";
  return section_html(part.id("models"), "Models",
                      chart_html(part, "models-chart", words, models_chart(s), table.text()) + kernels_of_models(s));
}

}  // namespace assay
