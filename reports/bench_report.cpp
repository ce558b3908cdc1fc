#include "reports/bench_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>

#include "harness/runtime/profile.h"

namespace assay {
namespace {

std::string nanoseconds(double ns) {
  if (ns < 1e3) {
    return fmt::format("{:.1f} ns", ns);
  }
  if (ns < 1e9) {
    return ns < 1e6 ? fmt::format("{:.2f} us", ns / 1e3) : fmt::format("{:.2f} ms", ns / 1e6);
  }
  return fmt::format("{:.4g} s", ns / 1e9);
}

std::string shape_text(const ShapeTimings& s) { return find_kernel(s.kernel).text_of(s.shape_class.shape); }

/// Whether the variant of that label is of an ISA of that kind. A label begins with its ISA.
template <IsaKind kKind>
bool is(const std::string& label) {
  return find_isa(label.substr(0, label.find('-'))).kind == kKind;
}

const Timing* best_of(const ShapeTimings& s, bool (*belongs)(const std::string&)) {
  const Timing* best = nullptr;
  for (const auto& t : s.timings) {
    if (belongs(t.variant) && (best == nullptr || t.median_ns < best->median_ns)) {
      best = &t;
    }
  }
  return best;
}

/// Product of ratios over the shapes of a kernel, for a geometric mean.
class Mean {
 public:
  void add(const Timing* compiler, const Timing* other) {
    if (compiler != nullptr && other != nullptr) {
      sum_ += std::log(compiler->median_ns / other->median_ns);
      ++count_;
    }
  }
  std::string text() const { return count_ == 0 ? "-" : fmt::format("{:.2f}", std::exp(sum_ / count_)); }

 private:
  double sum_ = 0;
  int count_ = 0;
};

std::string old_question(const BenchResult& result) {
  std::string text =
      "## The old question: does the compiler do it better?\n\n"
      "Time of `auto_v3` (the compiler's code from plain C++ for x86-64-v3) over the time of each; geometric mean over "
      "the shapes\n"
      "timed. Over 1: faster than the compiler; under 1: slower. The last two columns pit the best compiler level that "
      "runs here\n"
      "(`auto_v2` .. `auto_v4`) against the best hand-written and the best generated code of any ISA, shape by "
      "shape.\n\n";
  std::vector<std::string> columns;
  for (const Isa& isa : isas()) {
    const auto is_timed = [&](const ShapeTimings& s) { return s.find(isa.name) != nullptr; };
    if ((isa.kind == IsaKind::hand || isa.kind == IsaKind::generated) && std::ranges::any_of(result.shapes, is_timed)) {
      columns.push_back(isa.name);
    }
  }
  text += fmt::format("| kernel | {} | best hand / best compiler | best JIT / best compiler |\n|---|",
                      fmt::join(columns, " | "));
  for (size_t i = 0; i < columns.size() + 2; ++i) {
    text += "---|";
  }
  text += "\n";
  std::map<std::string, std::vector<const ShapeTimings*>> by_kernel;
  for (const auto& s : result.shapes) {
    by_kernel[s.kernel].push_back(&s);
  }
  for (const auto& [kernel, shapes] : by_kernel) {
    text += "| " + kernel;
    for (const auto& variant : columns) {
      Mean mean;
      for (const auto* s : shapes) {
        mean.add(s->find("auto_v3"), s->find(variant));
      }
      text += " | " + mean.text();
    }
    Mean hand;
    Mean jit;
    for (const auto* s : shapes) {
      hand.add(best_of(*s, is<IsaKind::compiler>), best_of(*s, is<IsaKind::hand>));
      jit.add(best_of(*s, is<IsaKind::compiler>), best_of(*s, is<IsaKind::generated>));
    }
    text += fmt::format(" | {} | {} |\n", hand.text(), jit.text());
  }
  return text;
}

void shorten_numbers(nlohmann::json& value) {
  if (value.is_number_float()) {
    value = std::stod(fmt::format("{:.5g}", value.get<double>()));
  } else if (value.is_structured()) {
    for (auto& part : value) {
      shorten_numbers(part);
    }
  }
}

std::string limit_text(const ShapeTimings& s) {
  return s.limit_ns == 0 ? s.limit : fmt::format("{} ({})", nanoseconds(s.limit_ns), s.limit);
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

}  // namespace

std::string bench_text(const ShapeTimings& s) {
  std::string text = fmt::format("{} {} ({}), limit {}\n", s.kernel, s.shape_class.label, shape_text(s), limit_text(s));
  for (const auto& t : s.timings) {
    text += fmt::format("  {:<12} {:>10}  [{:>10}, {:>10}]  {:>7} of limit{}{}{}\n", t.variant,
                        nanoseconds(t.median_ns), nanoseconds(t.low_ns), nanoseconds(t.high_ns), share_text(s, t),
                        t.packed_bytes > 0 ? fmt::format("  (packed: {})", packing_text(s, t)) : "",
                        t.generation_ns > 0 ? fmt::format("  (generated in {})", nanoseconds(t.generation_ns)) : "",
                        t.variant != s.winner ? ""
                        : s.tie               ? "  <- use (a tie)"
                                              : "  <- use");
  }
  return text + fmt::format("  A/A control on {}: {:.3f}\n", s.control.variant, s.control_ratio());
}

std::string bench_markdown(const Cpu& cpu, const BenchResult& result, const std::string& date) {
  std::string text = fmt::format("# {}\n\n{} family {} model {} stepping {}, measured {} by assay {}, one thread.\n\n",
                                 cpu.brand, cpu.vendor, cpu.family, cpu.model, cpu.stepping, date, ASSAY_VERSION);
  text +=
      !result.peak.not_measured.empty()
          ? "Limits were not measured: " + result.peak.not_measured
          : fmt::format(
                "Limits measured in the same run: {:.1f} Gflop/s ({}), {:.1f} Gop/s on bytes ({}), {:.1f} G "
                "table look-ups/s ({})",
                result.peak.f32.per_second / 1e9, result.peak.f32.instruction, result.peak.int8.per_second / 1e9,
                result.peak.int8.instruction, result.peak.lookups.per_second / 1e9, result.peak.lookups.instruction);
  for (const auto& level : result.peak.levels) {
    text += fmt::format("; {} {:.1f} GB/s read, {:.1f} written, {:.1f} mixed", level.name, level.read / 1e9,
                        level.write / 1e9, level.mixed / 1e9);
  }
  text +=
      ".\n\n" + old_question(result) +
      "\n## Timings\n\nMedian of the quiet rounds for one call, with its 95% bootstrap interval; "
      "**bold**: the variant to use; the share is of the limit\n(peak or bandwidth, whichever binds). A tie goes "
      "to the simplest ISA that is seen to lose at most 2%, else to the faster.\n"
      "`-cold`: each call finds its data in memory, evicted before; its code is warm. Generation: what JIT code took "
      "to make, once, before the calls. Packed:\nthe weights' bytes over those in the file, and the file's bytes a "
      "second "
      "as one thread packs them.\n"
      "\n";
  for (const auto& s : result.shapes) {
    text += fmt::format(
        "### {} {}\n\n{}; limit {}; A/A control on {}: {:.3f}{}\n\n| variant | median | interval | share of limit "
        "| auto_v3 / it | generation |{}\n|---|---|---|---|---|---|{}\n",
        s.kernel, s.shape_class.label, shape_text(s), limit_text(s), s.control.variant, s.control_ratio(),
        s.tie ? "; a tie" : "", s.file_bytes > 0 ? " packed |" : "", s.file_bytes > 0 ? "---|" : "");
    const Timing* compiler = s.find("auto_v3");
    for (const auto& t : s.timings) {
      const std::string name = t.variant == s.winner ? "**" + t.variant + "**" : t.variant;
      text += fmt::format("| {} | {} | {} .. {} | {} | {} | {} |{}\n", name, nanoseconds(t.median_ns),
                          nanoseconds(t.low_ns), nanoseconds(t.high_ns), share_text(s, t),
                          compiler == nullptr ? "-" : fmt::format("{:.2f}", compiler->median_ns / t.median_ns),
                          t.generation_ns > 0 ? nanoseconds(t.generation_ns) : "",
                          s.file_bytes > 0 ? " " + packing_text(s, t) + " |" : "");
    }
    text += "\n";
  }
  return text;
}

nlohmann::json bench_json(const Cpu& cpu, const BenchResult& result, const std::string& date) {
  auto shapes = nlohmann::json::array();
  for (const auto& s : result.shapes) {
    shapes.push_back(to_json(s));
  }
  return {{"schema_version", 1},
          {"date", date},
          {"build", build_id()},
          {"cpu", to_json(cpu)},
          {"peak", to_json(result.peak)},
          {"shapes", shapes},
          {"google_benchmark", result.google}};
}

std::string bench_summary(const Cpu& cpu, const BenchResult& result, const std::string& date) {
  nlohmann::json whole = bench_json(cpu, result, date);
  whole.erase("google_benchmark");
  for (auto& shape : whole["shapes"]) {
    shape.erase("probe_ns");
    for (auto& timing : shape["timings"]) {
      timing.erase("samples_ns");
    }
  }
  shorten_numbers(whole);
  std::string text = "{";
  for (const auto& [key, value] : whole.items()) {
    if (key != "shapes") {
      text += fmt::format("\"{}\": {},\n", key, value.dump());
    }
  }
  text += "\"shapes\": [";
  for (const auto& shape : whole["shapes"]) {
    text += (text.ends_with('[') ? "\n" : ",\n") + shape.dump();
  }
  return text + "\n]}\n";
}

}  // namespace assay
