// Time over size, and where the choice switches.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "reports/figures.h"
#include "reports/page/html.h"
#include "reports/page/sections.h"

namespace assay {
namespace {

/// Shapes of a kernel that differ in size alone, from the small to the large: indices.
struct SizeChain {
  const KernelSummary* kernel;
  std::string name;  ///< "dot_f32", "matmul_q4_0 decode"
  std::vector<size_t> shapes;
};

/// "decode" of "decode-256 x 0.7"; "" of "L2".
std::string series_of(const std::string& label) {
  const bool is_level =
      label.starts_with("L1") || label.starts_with("L2") || label.starts_with("L3") || label.starts_with("mem");
  return is_level ? "" : label.substr(0, label.find_first_of("- "));
}

std::vector<SizeChain> chains_of(const Report& s) {
  std::vector<SizeChain> chains;
  for (const auto& kernel : s.kernels) {
    std::map<std::string, std::vector<size_t>> series;
    for (size_t i = 0; i < kernel.shapes.size(); ++i) {
      const ShapeSummary& shape = kernel.shapes[i];
      if (!shape.cold && !shape.ragged && shape.bytes > 0) {
        series[series_of(shape.label)].push_back(i);
      }
    }
    for (auto& [name, shapes] : series) {
      std::ranges::sort(shapes, {}, [&kernel](size_t i) { return kernel.shapes[i].bytes; });
      if (shapes.size() > 1) {
        chains.push_back({&kernel, name.empty() ? kernel.name : fmt::format("{} {}", kernel.name, name), shapes});
      }
    }
  }
  return chains;
}

/// The variants that are used somewhere in the chain, and the compiler's best at its end.
std::set<std::string> shown_in(const SizeChain& chain) {
  std::set<std::string> shown;
  for (const size_t i : chain.shapes) {
    shown.insert(chain.kernel->shapes[i].use);
  }
  if (const Best best = best_of(*chain.kernel, chain.shapes.back(), Maker::compiler); best.variant != nullptr) {
    shown.insert(best.variant->variant);
  }
  return shown;
}

double per_kib(const ShapeSummary& shape, const TimeSummary& time) { return time.median / shape.bytes * 1024; }

struct SizeChartData {
  nlohmann::json times = nlohmann::json::array(), switches = nlohmann::json::array(), names = nlohmann::json::array();
};

void add_chain(SizeChartData& data, HtmlTable& table, const SizeChain& chain) {
  data.names.push_back(chain.name);
  const auto shown = shown_in(chain);
  const ShapeSummary* before = nullptr;
  for (const size_t i : chain.shapes) {
    const ShapeSummary& shape = chain.kernel->shapes[i];
    for (const auto& label : shown) {
      if (const TimeSummary* time = time_of(*chain.kernel, label, i); time != nullptr) {
        data.times.push_back({{"of", chain.name},
                              {"variant", label},
                              {"class", shape.label},
                              {"bytes", shape.bytes},
                              {"ns", per_kib(shape, *time)}});
      }
    }
    if (before != nullptr && before->use != shape.use) {
      const double at = std::sqrt(before->bytes * shape.bytes);
      const std::string text = fmt::format("{} → {}", before->use, shape.use);
      data.switches.push_back({{"of", chain.name}, {"bytes", at}, {"text", text}});
      table.row(
          {{chain.name}, {bytes_text(at)}, {before->use}, {shape.use}, {shape.tie || before->tie ? "a tie" : ""}});
    }
    before = &shape;
  }
}

nlohmann::json sizes_chart(const SizeChartData& data) {
  const nlohmann::json filter = {{{"filter", "datum.of == kernel"}}};
  const nlohmann::json x = {{"field", "bytes"},
                            {"type", "quantitative"},
                            {"title", "bytes that a call moves"},
                            {"scale", {{"type", "log"}, {"nice", false}, {"padding", 24}}},
                            {"axis", {{"labelExpr", "format(datum.value, '.2s')"}}}};
  const nlohmann::json y = {{"field", "ns"},
                            {"type", "quantitative"},
                            {"title", "ns for 1 KiB"},
                            {"scale", {{"type", "log"}, {"nice", false}, {"padding", 24}}}};
  const nlohmann::json variant = {{"field", "variant"}, {"type", "nominal"}, {"title", nullptr}};
  nlohmann::json dash = variant;
  dash["legend"] = nullptr;
  return {
      {"width", "container"},
      {"height", 320},
      {"params",
       {{{"name", "kernel"},
         {"value", data.names.front()},
         {"bind", {{"input", "select"}, {"options", data.names}, {"name", "kernel "}}}}}},
      {"layer",
       {{{"data", {{"values", data.switches}}},
         {"transform", filter},
         {"layer",
          {{{"mark", {{"type", "rule"}, {"strokeDash", {4, 3}}}}, {"encoding", {{"x", x}}}},
           {{"mark", {{"type", "text"}, {"align", "left"}, {"baseline", "top"}, {"dx", 4}, {"y", 4}}},
            {"encoding", {{"x", x}, {"text", {{"field", "text"}, {"type", "nominal"}}}}}}}}},
        {{"data", {{"values", data.times}}},
         {"transform", filter},
         {"mark", {{"type", "line"}, {"point", {{"filled", true}, {"size", 60}}}, {"tooltip", {{"content", "data"}}}}},
         {"encoding", {{"x", x}, {"y", y}, {"color", variant}, {"shape", variant}, {"strokeDash", dash}}}}}}};
}

}  // namespace

std::string sizes_html(const PagePart& part) {
  const auto chains = chains_of(part.summary);
  if (chains.empty()) {
    return "";
  }
  SizeChartData data;
  HtmlTable table("Where the choice switches",
                  {{"kernel", false}, {"at about"}, {"from", false}, {"to", false}, {"", false}});
  for (const auto& chain : chains) {
    add_chain(data, table, chain);
  }
  const std::string words = fmt::format(
      "Time for each KiB that a call moves, over the size of the call; shown are the variants that are used at some "
      "size and the "
      "compiler's best. The choice switches at {} places between two sizes that were timed.",
      data.switches.size());
  const std::string below = table.empty() ? "<p>It switches nowhere.</p>\n" : table.text();
  return section_html(part.id("sizes"), "Time over size",
                      chart_html(part, "sizes-chart", words, sizes_chart(data), below));
}

}  // namespace assay
