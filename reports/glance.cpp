#include "reports/glance.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "reports/figures.h"

namespace assay {
namespace {

Answer is_it_right(const Report&, const Glance& g) {
  const size_t ran = g.passed + g.claimed + g.failed;
  std::string text = g.failed == 0 ? fmt::format("All {} variants that ran pass", ran)
                                   : fmt::format("{} of {} variants that ran pass, {} fail", g.passed, ran, g.failed);
  if (g.failed == 0 && g.claimed > 0) {
    text = fmt::format("{} of {} variants that ran pass, {} keep only what they claim", g.passed, ran, g.claimed);
  }
  text += fmt::format(", on {} samples; {} cannot run on this CPU, which is no pass.", count_text(g.samples),
                      g.not_runnable);
  return {"Is it right?", fmt::format("{} of {}", g.passed, ran), ran == 0 ? "Nothing ran, which is no pass." : text};
}

Answer what_is_fastest(const Report&, const Glance& g) {
  std::vector<std::pair<size_t, std::string>> makers;
  for (const Maker maker : kMakers) {
    if (const size_t count = g.used[static_cast<size_t>(maker)]; count > 0) {
      makers.emplace_back(count, to_string(maker));
    }
  }
  std::ranges::stable_sort(makers, std::ranges::greater(), &std::pair<size_t, std::string>::first);
  std::vector<std::string> parts;
  for (const auto& [count, name] : makers) {
    parts.push_back(fmt::format("{} code at {}", name, count));
  }
  return {"What is the fastest?", parts.empty() ? "" : makers.front().second,
          fmt::format("Of {} shapes it is {}; at {} of them others are no slower beyond doubt.", g.shapes,
                      fmt::join(parts, ", "), g.ties)};
}

Answer how_near_to_the_limit(const Report&, const Glance& g) {
  return {"How near to the limit?", fmt::format("{:.0f}%", 100 * g.median_share),
          fmt::format("What is chosen reaches {:.0f}% of the limit in the median, and from {:.0f}% to {:.0f}% at the "
                      "middle half of "
                      "the shapes.",
                      100 * g.median_share, 100 * g.lower_share, 100 * g.upper_share)};
}

Answer is_the_compiler_better(const Report&, const Glance& g) {
  const bool faster = g.mean_speedup >= 1;
  return {
      "Does the compiler do it better?", fmt::format("{:.2f}×", g.mean_speedup),
      fmt::format(
          "Against the compiler's best, what was written or generated is {:.2f} times {} on average; beyond the "
          "intervals it is faster at {} of {} shapes and slower at {}.",
          faster ? g.mean_speedup : 1 / g.mean_speedup, faster ? "faster" : "slower", g.faster, g.compared, g.slower)};
}

}  // namespace

std::vector<Answer> answers_of(const Report& summary) {
  const Glance g = glance_of(summary);
  std::vector<Answer> answers;
  if (g.passed + g.claimed + g.failed + g.not_runnable > 0) {
    answers.push_back(is_it_right(summary, g));
  }
  if (g.shapes > 0) {
    answers.push_back(what_is_fastest(summary, g));
  }
  if (g.median_share > 0) {
    answers.push_back(how_near_to_the_limit(summary, g));
  }
  if (g.compared > 0) {
    answers.push_back(is_the_compiler_better(summary, g));
  }
  return answers;
}

std::string use_text(const KernelSummary& kernel, const std::string& before, const std::string& after) {
  std::map<std::string, std::vector<std::string>> classes;
  for (const auto& shape : kernel.shapes) {
    if (!shape.use.empty()) {
      classes[shape.use].push_back(fmt::format("{}{}", shape.label, shape.tie ? " (tie)" : ""));
    }
  }
  std::vector<std::pair<std::string, std::vector<std::string>>> sorted(classes.begin(), classes.end());
  std::ranges::stable_sort(sorted, [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
  std::vector<std::string> parts;
  for (const auto& [variant, labels] : sorted) {
    parts.push_back(fmt::format("{}{}{} at {}", before, variant, after, fmt::join(labels, ", ")));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string limits_text(const Report& summary) {
  std::vector<std::string> parts;
  for (const auto& rate : summary.rates) {
    const char* unit = rate.name == "f32" ? "Gflop/s" : rate.name == "int8" ? "Gop/s on bytes" : "G table look-ups/s";
    parts.push_back(fmt::format("{:.1f} {} ({})", rate.per_second / 1e9, unit, rate.instruction));
  }
  for (const auto& level : summary.levels) {
    std::string text = fmt::format("{} {:.1f} GB/s read", level.name, level.read / 1e9);
    if (level.written > 0) {
      text += fmt::format(", {:.1f} written, {:.1f} mixed", level.written / 1e9, level.mixed / 1e9);
    }
    parts.push_back(text);
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string sources_text(const Report& summary) {
  std::vector<std::string> parts;
  for (const auto& source : summary.sources) {
    const std::string text = fmt::format("{} of {} by assay {}", source.command, source.date, source.version);
    if (std::ranges::count(parts, text) == 0) {
      parts.push_back(text);
    }
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace assay
