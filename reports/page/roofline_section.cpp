// Operations a second over operations a byte, under the measured ceilings (Williams, Waterman and Patterson, CACM 52(4), 2009).
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "reports/figures.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {
namespace {

constexpr const char* kIntensity = "operations a byte";
constexpr const char* kRate = "billions of operations a second";

/// What is used of a kernel at a shape, as a point.
struct RooflinePoint {
  const KernelSummary* kernel;
  const ShapeSummary* shape;
  TimeSummary time;

  double intensity() const { return shape->ops / shape->bytes; }
  double rate() const { return shape->ops / time.median; }  // operations a nanosecond are billions a second
};

std::vector<RooflinePoint> points_of(const Report& s) {
  std::vector<RooflinePoint> points;
  for (const auto& kernel : s.kernels) {
    for (size_t i = 0; i < kernel.shapes.size(); ++i) {
      const ShapeSummary& shape = kernel.shapes[i];
      const TimeSummary* used = time_of(kernel, shape.use, i);
      if (used != nullptr && shape.ops > 0 && shape.bytes > 0 && !shape.cold) {
        points.push_back({&kernel, &shape, *used});
      }
    }
  }
  return points;
}

double bandwidth_of(const LevelSummary& level) { return std::max({level.read, level.written, level.mixed}); }

nlohmann::json log_axis(const char* field, const char* title) {
  return {{"field", field}, {"type", "quantitative"}, {"title", title}, {"scale", {{"type", "log"}, {"nice", false}}}};
}

/// Lines of the bandwidths, up to the highest peak, and of the peaks, from where the fastest level reaches them.
void add_ceilings(const Report& s, double least, double most, nlohmann::json& lines, nlohmann::json& labels) {
  double top = 0, fastest = 0;
  for (const auto& rate : s.rates) {
    top = std::max(top, rate.name == "lookups" ? 0 : rate.per_second);
  }
  for (const auto& level : s.levels) {
    const double bandwidth = bandwidth_of(level);
    fastest = std::max(fastest, bandwidth);
    const double end = top > 0 ? std::min(most, top / bandwidth) : most;
    lines.push_back({{"name", level.name}, {"x", least}, {"y", bandwidth * least / 1e9}});
    lines.push_back({{"name", level.name}, {"x", end}, {"y", bandwidth * end / 1e9}});
    labels.push_back({{"text", fmt::format("{} {:.0f} GB/s", level.name, bandwidth / 1e9)},
                      {"x", 1.3 * least},
                      {"y", 1.3 * bandwidth * least / 1e9},
                      {"end", false}});
  }
  for (const auto& rate : s.rates) {
    if (rate.name != "lookups" && fastest > 0) {
      const double y = rate.per_second / 1e9;
      lines.push_back({{"name", rate.name}, {"x", std::min(most, rate.per_second / fastest)}, {"y", y}});
      lines.push_back({{"name", rate.name}, {"x", most}, {"y", y}});
      labels.push_back(
          {{"text", fmt::format("{} {:.0f} G/s", rate.instruction, y)}, {"x", most}, {"y", y}, {"end", true}});
    }
  }
}

nlohmann::json label_layer(const nlohmann::json& labels, bool at_end) {
  return {{"data", {{"values", labels}}},
          {"transform", {{{"filter", at_end ? "datum.end" : "!datum.end"}}}},
          {"mark",
           {{"type", "text"}, {"align", at_end ? "right" : "left"}, {"dy", at_end ? -7 : 9}, {"dx", at_end ? -4 : 6}}},
          {"encoding",
           {{"x", log_axis("x", kIntensity)},
            {"y", log_axis("y", kRate)},
            {"text", {{"field", "text"}, {"type", "nominal"}}}}}};
}

nlohmann::json roofline_chart(const Report& s, const std::vector<RooflinePoint>& points) {
  auto values = nlohmann::json::array();
  double least = points.front().intensity(), most = least;
  for (const auto& p : points) {
    least = std::min(least, p.intensity());
    most = std::max(most, p.intensity());
    values.push_back({{"kernel", p.kernel->name},
                      {"class", p.shape->label},
                      {"use", p.shape->use},
                      {"maker", to_string(maker_of(p.shape->use))},
                      {"operations a byte", p.intensity()},
                      {"Gop/s", p.rate()},
                      {"share", percent_text(share_of_limit(*p.shape, p.time))}});
  }
  auto lines = nlohmann::json::array();
  auto labels = nlohmann::json::array();
  add_ceilings(s, least / 2, most * 2, lines, labels);
  const nlohmann::json maker = maker_encoding(values);
  return {
      {"width", "container"},
      {"height", 420},
      {"layer",
       {{{"data", {{"values", lines}}},
         {"mark", {{"type", "line"}, {"strokeDash", {5, 3}}}},
         {"encoding",
          {{"x", log_axis("x", kIntensity)},
           {"y", log_axis("y", kRate)},
           {"detail", {{"field", "name"}, {"type", "nominal"}}}}}},
        label_layer(labels, false),
        label_layer(labels, true),
        {{"data", {{"values", values}}},
         {"mark",
          {{"type", "point"}, {"filled", true}, {"size", 55}, {"opacity", 0.75}, {"tooltip", {{"content", "data"}}}}},
         {"encoding",
          {{"x", log_axis("operations a byte", kIntensity)},
           {"y", log_axis("Gop/s", kRate)},
           {"color", maker["color"]},
           {"shape", maker["shape"]}}}}}}};
}

std::string ceilings_table(const Report& s) {
  HtmlTable table("Measured ceilings of one core", {{"ceiling", false}, {"measured by", false}, {"a second"}});
  for (const auto& rate : s.rates) {
    table.row({{rate.name}, {rate.instruction}, {fmt::format("{:.1f} G", rate.per_second / 1e9)}});
  }
  for (const auto& level : s.levels) {
    const char* measured = level.written > 0 ? "the faster of reads, writes and both" : "reads";
    table.row({{level.name}, {measured}, {fmt::format("{:.1f} GB", bandwidth_of(level) / 1e9)}});
  }
  return table.text();
}

}  // namespace

std::string roofline_html(const PagePart& part) {
  const Report& s = part.summary;
  const auto points = points_of(s);
  if (points.empty() || s.levels.empty()) {
    return "";
  }
  HtmlTable table("What is used of each kernel, under the ceilings", {{"kernel", false},
                                                                      {"class", false},
                                                                      {"use", false},
                                                                      {"operations a byte"},
                                                                      {"Gop/s"},
                                                                      {"binds", false},
                                                                      {"share of it"}});
  size_t by_bandwidth = 0;
  for (const auto& p : points) {
    by_bandwidth += p.shape->limit.ends_with("bandwidth");
    table.row({{p.kernel->name},
               {p.shape->label},
               {p.shape->use},
               {fmt::format("{:.3g}", p.intensity())},
               {fmt::format("{:.4g}", p.rate())},
               {p.shape->limit},
               {percent_text(share_of_limit(*p.shape, p.time))}});
  }
  const std::string words = fmt::format(
      "Each point is what is used of a kernel at a class of shapes, cold ones apart; the lines are the ceilings that "
      "this run measured. Of {} points "
      "bandwidth binds {}, arithmetic {}.",
      points.size(), by_bandwidth, points.size() - by_bandwidth);
  return section_html(
      part.id("roofline"), "How near to the limit?",
      chart_html(part, "roofline-chart", words, roofline_chart(s, points), table.text()) + ceilings_table(s));
}

}  // namespace assay
