#include "reports/markdown.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "reports/figures.h"
#include "reports/glance.h"
#include "reports/question.h"

namespace assay {
namespace {

/// Text of a summary as Markdown shows it literally, also in a table's cell.
std::string md(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '<' || c == '>' || c == '&') {
      out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : "&amp;";
    } else {
      out += std::string_view("|*`[]\\").find(c) != std::string_view::npos ? fmt::format("\\{}", c) : std::string(1, c);
    }
  }
  return out;
}

std::string table_head(const std::vector<std::string>& headings) {
  std::string text = fmt::format("| {} |\n|", fmt::join(headings, " | "));
  for (size_t i = 0; i < headings.size(); ++i) {
    text += i == 0 ? "---|" : "---:|";
  }
  return text + "\n";
}

std::string share_of(double share) { return share_or(share, "-"); }
std::string ratio_of(const MeanRatio& m) { return ratio_or(m, "-"); }

std::string old_question_section(const Report& s) {
  std::string text =
      "## The old question: does the compiler do it better?\n\n"
      "The share of the limit that the best of each maker reaches, and how many times faster than the compiler's best "
      "the best "
      "hand-written\nand the best generated code is: geometric means over the shapes timed. In brackets the least and "
      "the most that "
      "the 95% intervals\nof the times allow. Over 1: faster than the compiler.\n\n";
  text += table_head(
      {"kernel", "compiler", "by hand", "generated", "by hand / compiler", "generated / compiler", "verdict"});
  for (const auto& k : s.kernels) {
    if (!k.shapes.empty()) {
      text +=
          fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", md(k.name), share_of(mean_share(k, Maker::compiler)),
                      share_of(mean_share(k, Maker::hand)), share_of(mean_share(k, Maker::generated)),
                      ratio_of(speedup(k, Maker::hand)), ratio_of(speedup(k, Maker::generated)), verdict_text(k));
    }
  }
  for (const PlainTable& table : question_tables(s)) {
    text += fmt::format("\n### {}\n\n{}\n\n{}", table.title, md(table.words), table_head(table.headings));
    for (auto row : table.rows) {
      std::ranges::transform(row, row.begin(), md);
      text += fmt::format("| {} |\n", fmt::join(row, " | "));
    }
  }
  return text + "\n";
}

std::string use_section(const Report& s) {
  std::string text =
      "## What to use\n\nA tie goes to the simplest ISA that is seen to lose at most 2%, else to the faster.\n\n| "
      "kernel | use |\n|---|---|\n";
  for (const auto& k : s.kernels) {
    if (!k.shapes.empty()) {
      text += fmt::format("| {} | {} |\n", md(k.name), md(use_text(k, "", "")));
    }
  }
  return text + "\n";
}

/// "2000", "FAIL", "claimed", "-": of one verdict.
std::string verdict_cell(const VariantSummary& v) {
  return v.status == "pass"           ? fmt::format("{:.0f}", v.samples)
         : v.status == "fail"         ? "**FAIL**"
         : v.status == "not-runnable" ? "-"
         : v.status.empty()           ? "?"
                                      : md(v.status);
}

std::string verdict_section(const Report& s) {
  const auto columns = isas_of(s, [](const VariantSummary& v) { return !v.status.empty(); });
  if (columns.empty()) {
    return "";
  }
  std::vector<std::string> headings = {"kernel"};
  std::ranges::transform(columns, std::back_inserter(headings), md);
  std::string text =
      "## Verdicts\n\nA number: passed with so many samples, the fewest where an ISA has several variants; `-`: cannot "
      "run on this "
      "CPU, no pass.\n\n";
  text += table_head(headings);
  for (const auto& k : s.kernels) {
    std::vector<std::string> cells = {md(k.name)};
    for (const auto& column : columns) {
      const VariantSummary* worst = nullptr;
      for (const auto& v : k.variants) {
        const auto rank = [](const VariantSummary& x) { return x.status == "fail" ? -1 : x.samples; };
        if (isa_of_label(v.variant) == column && (worst == nullptr || rank(v) < rank(*worst))) {
          worst = &v;
        }
      }
      cells.push_back(worst == nullptr ? "" : verdict_cell(*worst));
    }
    text += fmt::format("| {} |\n", fmt::join(cells, " | "));
  }
  return text + "\n";
}

/// Variants down, shapes across: the time, its interval, and the share of the limit.
std::string timings_of(const KernelSummary& k) {
  std::string text = fmt::format("### {}\n\n", md(k.name));
  std::vector<std::string> headings = {"variant"};
  std::vector<std::string> limits = {"*limit*"};
  std::vector<std::string> controls = {"*A/A*"};
  for (const auto& shape : k.shapes) {
    headings.push_back(fmt::format("{}: {}", md(shape.label), md(shape_text(k, shape))));
    limits.push_back(shape.limit_ns > 0 ? fmt::format("{} ({})", time_text(shape.limit_ns), md(shape.limit))
                                        : md(shape.limit));
    controls.push_back(fmt::format("{:.3f}{}", shape.control, shape.tie ? ", a tie" : ""));
  }
  text += table_head(headings);
  for (const auto& v : k.variants) {
    std::vector<std::string> cells = {md(v.variant)};
    bool timed = false;
    for (size_t i = 0; i < k.shapes.size(); ++i) {
      const TimeSummary* t = time_at(v, i);
      timed |= t != nullptr;
      const char* bold = k.shapes[i].use == v.variant ? "**" : "";
      cells.push_back(t == nullptr ? ""
                                   : fmt::format("{}{}{} ({}) {}", bold, time_text(t->median), bold, interval_text(*t),
                                                 share_of(share_of_limit(k.shapes[i], *t))));
    }
    if (timed) {
      text += fmt::format("| {} |\n", fmt::join(cells, " | "));
    }
  }
  text += fmt::format("| {} |\n| {} |\n\n", fmt::join(limits, " | "), fmt::join(controls, " | "));
  std::vector<std::string> made;
  for (const auto& v : k.variants) {
    if (v.generation_ns > 0) {
      made.push_back(fmt::format("{} is generated in {}", md(v.variant), time_text(v.generation_ns)));
    }
    if (v.packed_share > 0) {
      made.push_back(fmt::format("{} packs to {:.2f} of the file at {:.1f} GB/s", md(v.variant), v.packed_share,
                                 v.packing_rate / 1e9));
    }
  }
  return made.empty() ? text : text + fmt::format("Once, before the calls: {}.\n\n", fmt::join(made, "; "));
}

std::string timings_section(const Report& s) {
  std::string text =
      "## Timings\n\nMedian of the quiet rounds for one call, its 95% bootstrap interval, and the share of the limit "
      "(peak or "
      "bandwidth, whichever\nbinds); **bold**: the variant to use. `-cold`: each call finds its data in memory, "
      "evicted before; its "
      "code is warm. *A/A*: a variant's\ntime over its own, timed twice. A share over 100% is a wrong limit.\n\n";
  for (const auto& k : s.kernels) {
    text += k.shapes.empty() ? "" : timings_of(k);
  }
  return text;
}

std::string model_section(const Report& s) {
  std::string text = "## Models\n\n";
  text += table_head({"model", "test", "threads", "tokens a second", "of the bandwidth", "of the peak"});
  for (const auto& m : s.models) {
    text += fmt::format("| {} | {} | {:.0f} | {:.2f} ± {:.2f} | {} | {} |\n", md(m.model), md(m.test), m.threads,
                        m.rate, m.deviation, share_of(m.bandwidth_share), share_of(m.peak_share));
  }
  return text + "\n";
}

std::string prediction_section(const Report& s) {
  std::string text =
      fmt::format("## Prediction\n\nCycles of one call as llvm-mca has them for {}, all data in the L1 cache.\n\n",
                  md(s.predictions.front().model)) +
      table_head({"kernel", "variant", "predicted", "measured", "measured / predicted"});
  for (const auto& p : s.predictions) {
    if (p.predicted > 0) {
      text += fmt::format("| {} | {} | {:.0f} | {} | {} |\n", md(p.kernel), md(p.variant), p.predicted,
                          p.measured > 0 ? fmt::format("{:.0f}", p.measured) : "-",
                          p.measured > 0 ? fmt::format("{:.2f}", p.measured / p.predicted) : "-");
    }
  }
  return text + "\n";
}

}  // namespace

std::string markdown_of(const Report& s) {
  std::string text =
      fmt::format("# {}{}\n\n{} family {:.0f} model {:.0f} stepping {:.0f}; {}; one thread.\n\n", md(s.cpu.brand),
                  s.cpu.codename.empty() ? "" : fmt::format(" ({})", md(s.cpu.codename)), md(s.cpu.vendor),
                  s.cpu.family, s.cpu.model, s.cpu.stepping, md(sources_text(s)));
  for (const auto& answer : answers_of(s)) {
    text += fmt::format("- **{}** {}\n", answer.question, md(answer.sentence));
  }
  if (!s.levels.empty()) {
    text += fmt::format("\nLimits measured in the same run: {}.\n", md(limits_text(s)));
  } else if (!s.no_limits.empty()) {
    text += fmt::format("\nLimits were not measured: {}.\n", md(s.no_limits));
  }
  text += "\n";
  if (has_times(s)) {
    text += old_question_section(s) + use_section(s);
  }
  text += verdict_section(s);
  if (!s.models.empty()) {
    text += model_section(s);
  }
  if (!s.predictions.empty()) {
    text += prediction_section(s);
  }
  return has_times(s) ? text + timings_section(s) : text;
}

}  // namespace assay
