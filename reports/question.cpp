#include "reports/question.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "reports/figures.h"

namespace assay {
namespace {

constexpr char kNothing[] = "–";

std::string share_or_nothing(double share) { return share_or(share, kNothing); }
std::string ratio_or_nothing(const MeanRatio& m) { return ratio_or(m, kNothing); }

/// What it says of itself; "": it is not known.
std::string version_of(const Report& s, const std::string& origin) {
  const auto at = std::ranges::find(s.origins, origin, &OriginSummary::name);
  return at == s.origins.end() ? "" : at->version;
}

/// "clang 19.1.7 -O3", "GCC 12.2.0 -O3"; of assay's own compiler the version names it.
std::string long_name_of(const Report& s, const std::string& compiler) {
  const std::string version = version_of(s, compiler);
  return compiler != "auto" ? fmt::format("{} {}", compiler, version) : version.empty() ? "assay's own" : version;
}

/// "clang", "GCC".
std::string short_name_of(const Report& s, const std::string& compiler) {
  const std::string version = version_of(s, compiler);
  return compiler != "auto" || version.empty() ? compiler : version.substr(0, version.find(' '));
}

Those made_by_compiler(const std::string& compiler) {
  return [compiler](const VariantSummary& v) { return compiler_of(v.variant) == compiler; };
}

/// Naive variants whose nickname begins so: "O3", "Ofast".
Those naive_at(const std::string& optimisation) {
  return [optimisation](const VariantSummary& v) {
    const size_t colon = v.variant.find(':');
    return maker_of(v.variant) == Maker::naive && colon != std::string::npos &&
           v.variant.compare(colon + 1, optimisation.size() + 1, optimisation + "-") == 0;
  };
}

bool is_compiled(const VariantSummary& v) { return maker_of(v.variant) == Maker::compiler; }
bool is_honest(const VariantSummary& v) { return maker_of(v.variant) != Maker::naive && v.status != "claimed"; }

/// The compilers of which a kernel was timed, assay's own first.
std::vector<std::string> compilers_in(const Report& s) {
  std::vector<std::string> found;
  for (const auto& kernel : s.kernels) {
    for (const auto& v : kernel.variants) {
      const std::string compiler = compiler_of(v.variant);
      if (!compiler.empty() && !v.times.empty() && std::ranges::count(found, compiler) == 0) {
        found.insert(compiler == "auto" ? found.begin() : found.end(), compiler);
      }
    }
  }
  return found;
}

/// Of the variants of a maker: how many there are, and the lines of them.
struct Lines {
  double own = 0, shared = 0;
  size_t count = 0;

  double mean() const { return count == 0 ? 0 : own / static_cast<double>(count); }
};
Lines lines_of(const KernelSummary& kernel, Maker maker) {
  Lines lines;
  for (const auto& v : kernel.variants) {
    if (maker_of(v.variant) == maker && v.lines > 0) {
      lines.own += v.lines;
      lines.shared = std::max(lines.shared, v.shared_lines);
      ++lines.count;
    }
  }
  return lines;
}

std::string lines_text(const Lines& lines) {
  return lines.count == 0 ? kNothing : fmt::format("{:.0f} + {:.0f}", lines.mean(), lines.shared);
}

}  // namespace

PlainTable compilers_table(const Report& s) {
  PlainTable table{"Which compiler?", "", {"kernel"}, {}};
  const auto compilers = compilers_in(s);
  if (compilers.size() < 2) {
    return table;
  }
  for (const auto& compiler : compilers) {
    table.headings.push_back(fmt::format("{}: of the limit", short_name_of(s, compiler)));
  }
  struct Count {
    size_t compared = 0, faster = 0, slower = 0;
  };
  std::vector<Count> counts(compilers.size());
  for (const auto& kernel : s.kernels) {
    std::vector<std::string> row = {kernel.name};
    for (const auto& compiler : compilers) {
      row.push_back(share_or_nothing(mean_share(kernel, made_by_compiler(compiler))));
    }
    bool compared = false;
    for (size_t i = 1; i < compilers.size(); ++i) {
      const MeanRatio ratio = speedup(kernel, made_by_compiler(compilers[i]), made_by_compiler(compilers[0]));
      row.push_back(ratio_or_nothing(ratio));
      compared |= ratio.shapes != 0;
      counts[i].compared += ratio.shapes != 0;
      counts[i].faster += ratio.is_faster();
      counts[i].slower += ratio.is_slower();
    }
    if (compared) {
      table.rows.push_back(row);
    }
  }
  const std::string first = short_name_of(s, compilers[0]);
  std::vector<std::string> said, versions = {long_name_of(s, compilers[0])};
  for (size_t i = 1; i < compilers.size(); ++i) {
    const std::string name = short_name_of(s, compilers[i]);
    table.headings.push_back(fmt::format("{} / {}", name, first));
    said.push_back(
        fmt::format("of {} kernels {}'s best is faster than {}'s beyond the intervals for {}, and slower for {}",
                    counts[i].compared, name, first, counts[i].faster, counts[i].slower));
    versions.push_back(long_name_of(s, compilers[i]));
  }
  table.words = fmt::format(
      "The same plain C++ by other compilers: {}. Each compiler by its best of the levels x86-64-v2 to v4; over 1: "
      "faster. "
      "{}.",
      fmt::join(said, "; "), fmt::join(versions, "; "));
  return table;
}

PlainTable effort_table(const Report& s) {
  PlainTable table{
      "What does effort in plain C++ bring?",
      "Plain C++ as one writes it first, with one running sum and rows of weights as they are in the file, "
      "beside that of the project, which has 16 partial sums or tiles, and the best of all. -Ofast lets the "
      "compiler add in another order. What breaks a contract's bound is claimed, and never chosen. Shares "
      "of the limit, and how many times faster.",
      {"kernel", "naive, -O3", "naive, -Ofast", "ours, compiled", "the best", "ours / naive -O3", "ours / naive -Ofast",
       "naive -O3: error / bound"},
      {}};
  for (const auto& kernel : s.kernels) {
    const Those slow = naive_at("O3"), fast = naive_at("Ofast");
    const MeanRatio over_slow = speedup(kernel, is_compiled, slow);
    if (over_slow.shapes == 0) {
      continue;
    }
    double worst = 0;
    for (const auto& v : kernel.variants) {
      worst = slow(v) ? std::max(worst, v.over_bound) : worst;
    }
    table.rows.push_back({kernel.name, share_or_nothing(mean_share(kernel, slow)),
                          share_or_nothing(mean_share(kernel, fast)), share_or_nothing(mean_share(kernel, is_compiled)),
                          share_or_nothing(mean_share(kernel, is_honest)), ratio_or_nothing(over_slow),
                          ratio_or_nothing(speedup(kernel, is_compiled, fast)), fmt::format("{:.2f}", worst)});
  }
  return table;
}

PlainTable lines_table(const Report& s) {
  PlainTable table{"What does it cost to write?",
                   "",
                   {"kernel", "plain C++", "by hand, a variant", "variants", "generator", "variants"},
                   {}};
  std::vector<double> by_hand, generated;
  for (const auto& kernel : s.kernels) {
    const Lines plain = lines_of(kernel, Maker::plain);
    const Lines hand = lines_of(kernel, Maker::hand);
    const Lines generators = lines_of(kernel, Maker::generated);
    if (plain.count == 0 || (hand.count == 0 && generators.count == 0)) {
      continue;
    }
    table.rows.push_back({kernel.name, lines_text(plain), lines_text(hand), fmt::format("{}", hand.count),
                          lines_text(generators), fmt::format("{}", generators.count)});
    if (hand.count > 0) {
      by_hand.push_back(hand.mean() / plain.mean());
    }
    if (generators.count > 0) {
      generated.push_back(generators.mean() / plain.mean());
    }
  }
  table.words = fmt::format(
      "Lines of code without comments: a variant's, + those of the headers that it includes and other kernels share. "
      "In "
      "the median a variant by hand has {:.1f} times the lines of the plain C++, which the compiler makes into one for "
      "each level, and a generator {:.1f} times.",
      quantile(by_hand, 0.5), quantile(generated, 0.5));
  return table;
}

std::vector<PlainTable> question_tables(const Report& summary) {
  std::vector<PlainTable> tables = {compilers_table(summary), effort_table(summary), lines_table(summary)};
  std::erase_if(tables, [](const PlainTable& table) { return table.rows.empty(); });
  return tables;
}

}  // namespace assay
