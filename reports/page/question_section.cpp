// The old question: does the compiler do it better?
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "reports/figures.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"
#include "reports/question.h"

namespace assay {
namespace {

Cell ratio_cell(const MeanRatio& m, double most) {
  if (m.shapes == 0) {
    return {"–"};
  }
  const char* sign = m.is_faster() ? "▲ " : m.is_slower() ? "▼ " : "";
  return {fmt::format("{}{:.2f}", sign, m.ratio), fmt::format(" {:.2f} .. {:.2f}", m.low, m.high),
          m.is_faster()   ? "faster"
          : m.is_slower() ? "slower"
                          : "",
          "", m.ratio / most};
}

Cell share_cell(const KernelSummary& kernel, Maker maker) {
  const double share = mean_share(kernel, maker);
  return share == 0 ? Cell{"–"} : Cell{percent_text(share)};
}

void add_values(nlohmann::json& values, const KernelSummary& kernel, Maker maker) {
  const MeanRatio m = speedup(kernel, maker);
  if (m.shapes != 0) {
    values.push_back(
        {{"kernel", kernel.name}, {"maker", to_string(maker)}, {"ratio", m.ratio}, {"low", m.low}, {"high", m.high}});
  }
}

nlohmann::json question_chart(const nlohmann::json& values) {
  std::set<std::string> kernels;
  for (const auto& value : values) {
    kernels.insert(value["kernel"]);
  }
  const nlohmann::json y = {{"field", "kernel"},
                            {"type", "nominal"},
                            {"title", nullptr},
                            {"sort", {{"field", "ratio"}, {"op", "max"}, {"order", "descending"}}}};
  const nlohmann::json offset = {{"field", "maker"}, {"type", "nominal"}};
  const nlohmann::json maker = maker_encoding(values);
  const nlohmann::json x = {{"field", "ratio"},
                            {"type", "quantitative"},
                            {"title", "times faster than the compiler's best"},
                            {"scale", {{"type", "log"}, {"nice", false}, {"padding", 14}}}};
  nlohmann::json low = x;
  low["field"] = "low";
  return {{"data", {{"values", values}}},
          {"width", "container"},
          {"height", 26 * kernels.size()},
          {"layer",
           {{{"mark", {{"type", "rule"}, {"strokeDash", {4, 3}}}},
             {"data", {{"values", nlohmann::json::array({{{"one", 1}}})}}},
             {"encoding", {{"x", {{"field", "one"}, {"type", "quantitative"}}}}}},
            {{"mark", {{"type", "rule"}, {"strokeWidth", 2}, {"opacity", 0.6}}},
             {"encoding",
              {{"y", y}, {"yOffset", offset}, {"x", low}, {"x2", {{"field", "high"}}}, {"color", maker["color"]}}}},
            {{"mark", {{"type", "point"}, {"filled", true}, {"size", 50}, {"tooltip", {{"content", "data"}}}}},
             {"encoding",
              {{"y", y}, {"yOffset", offset}, {"x", x}, {"color", maker["color"]}, {"shape", maker["shape"]}}}}}}};
}

/// The verdict on all kernels, made from the figures.
std::string question_words(const Report& s) {
  size_t faster = 0, slower = 0, same = 0;
  for (const auto& kernel : s.kernels) {
    const MeanRatio hand = speedup(kernel, Maker::hand);
    const MeanRatio generated = speedup(kernel, Maker::generated);
    if (hand.shapes != 0 || generated.shapes != 0) {
      const bool is_faster = hand.is_faster() || generated.is_faster();
      const bool is_slower = (hand.shapes == 0 || hand.is_slower()) && (generated.shapes == 0 || generated.is_slower());
      faster += is_faster;
      slower += !is_faster && is_slower;
      same += !is_faster && !is_slower;
    }
  }
  return fmt::format(
      "Of {} kernels, what was written or generated is faster than the compiler's best beyond the intervals of {}, "
      "slower of {}, and "
      "of {} that cannot be told. Geometric means over the shapes timed; the line is what the 95% intervals of the "
      "times allow.",
      faster + slower + same, faster, slower, same);
}

std::string plain_table_html(const PlainTable& plain) {
  std::vector<Heading> headings;
  for (const auto& heading : plain.headings) {
    headings.push_back({heading, !headings.empty()});
  }
  HtmlTable table(plain.title, headings);
  for (const auto& row : plain.rows) {
    std::vector<Cell> cells;
    std::ranges::transform(row, std::back_inserter(cells), [](const std::string& text) { return Cell{text}; });
    table.row(cells);
  }
  return fmt::format("<h3>{}</h3>\n<p>{}</p>\n{}", html(plain.title), html(plain.words), table.text());
}

}  // namespace

std::string question_html(const PagePart& part) {
  const Report& s = part.summary;
  auto values = nlohmann::json::array();
  double most = 1;
  for (const auto& kernel : s.kernels) {
    add_values(values, kernel, Maker::hand);
    add_values(values, kernel, Maker::generated);
  }
  for (const auto& value : values) {
    most = std::max(most, value["ratio"].get<double>());
  }
  if (values.empty()) {
    return "";
  }
  HtmlTable table("Each maker's best: its share of the limit, and how many times faster than the compiler's best",
                  {{"kernel", false},
                   {"compiler"},
                   {"by hand"},
                   {"generated"},
                   {"by hand / compiler"},
                   {"generated / compiler"},
                   {"verdict", false}},
                  "question");
  for (const auto& kernel : s.kernels) {
    if (!kernel.shapes.empty()) {
      table.row({{kernel.name},
                 share_cell(kernel, Maker::compiler),
                 share_cell(kernel, Maker::hand),
                 share_cell(kernel, Maker::generated),
                 ratio_cell(speedup(kernel, Maker::hand), most),
                 ratio_cell(speedup(kernel, Maker::generated), most),
                 {verdict_text(kernel)}});
    }
  }
  std::string body = chart_html(part, "question-chart", question_words(s), question_chart(values), table.text());
  for (const PlainTable& plain : question_tables(s)) {
    body += plain_table_html(plain);
  }
  return section_html(part.id("question"), "Does the compiler do it better?", body);
}

}  // namespace assay
