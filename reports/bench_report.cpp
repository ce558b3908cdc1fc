#include "reports/bench_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/runtime/isa.h"
#include "harness/runtime/plugin.h"
#include "harness/runtime/profile.h"
#include "reports/figures.h"

namespace assay {
namespace {

std::string limit_text(const ShapeTimings& s) {
  return s.limit_ns == 0 ? s.limit : fmt::format("{} ({})", time_text(s.limit_ns), s.limit);
}

/// "1.03 of the file, at 2.5 GB/s": the size of packed weights, and how fast the file's bytes are packed by one thread.
std::string packing_text(const ShapeTimings& s, const Timing& t) {
  return t.packed_bytes == 0
             ? ""
             : fmt::format("{:.2f} of the file, at {:.1f} GB/s", static_cast<double>(t.packed_bytes) / s.file_bytes,
                           s.file_bytes / t.packing_ns);
}

std::string share_text(const ShapeTimings& s, const Timing& t) {
  return s.limit_ns == 0 ? "?" : fmt::format("{:.1f}%", 100 * s.limit_ns / t.median_ns);
}

/// The compiler that made the plain C++ into auto_v2 .. auto_v4, and each plug-in.
nlohmann::json origins() {
  auto all = nlohmann::json::array();
  if (const auto isa = std::ranges::find(isas(), IsaKind::compiler, &Isa::kind); isa != isas().end()) {
    all.push_back({{"name", "auto"}, {"version", fmt::format("{} {}", compiler(), isa->flags)}});
  }
  for (const auto& plugin : plugins()) {
    all.push_back({{"name", plugin->name}, {"version", plugin->version}});
  }
  return all;
}

}  // namespace

std::string bench_text(const ShapeTimings& s) {
  std::string text = fmt::format("{} {} ({}), limit {}\n", s.kernel, s.shape_class.label,
                                 find_kernel(s.kernel).text_of(s.shape_class.shape), limit_text(s));
  for (const auto& t : s.timings) {
    text += fmt::format("  {:<12} {:>10}  [{:>10}, {:>10}]  {:>7} of limit{}{}{}\n", t.variant, time_text(t.median_ns),
                        time_text(t.low_ns), time_text(t.high_ns), share_text(s, t),
                        t.packed_bytes > 0 ? fmt::format("  (packed: {})", packing_text(s, t)) : "",
                        t.generation_ns > 0 ? fmt::format("  (generated in {})", time_text(t.generation_ns)) : "",
                        !t.usable               ? "  (claimed: not to be chosen)"
                        : t.variant != s.winner ? ""
                        : s.tie                 ? "  <- use (a tie)"
                                                : "  <- use");
  }
  return text + fmt::format("  A/A control on {}: {:.3f}\n", s.control.variant, s.control_ratio());
}

nlohmann::json bench_json(const Cpu& cpu, const BenchResult& result, const std::string& date) {
  auto shapes = nlohmann::json::array();
  for (const auto& s : result.shapes) {
    shapes.push_back(to_json(s));
  }
  return {{"schema_version", 1},          {"date", date},         {"version", ASSAY_VERSION},
          {"build", build_id()},          {"origins", origins()}, {"cpu", to_json(cpu)},
          {"peak", to_json(result.peak)}, {"shapes", shapes},     {"google_benchmark", result.google}};
}

}  // namespace assay
