#include "harness/export/evidence.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

namespace assay {
namespace {

std::string percent(double loss) { return std::isfinite(loss) ? fmt::format("{:.1f}%", 100 * loss) : "-"; }

/// Over all CPUs and classes, by the upper end of the interval.
double worst_loss(const KernelSet& set) {
  double worst = 0;
  for (const auto& [member, rows] : set.members) {
    for (const SetRow& row : rows) {
      worst = std::max({worst, row.called_loss, row.made_loss});
    }
  }
  return worst;
}

/// A number as JSON has it: no infinity.
nlohmann::json number(double x) {
  return std::isfinite(x) ? nlohmann::json(std::round(x * 1e4) / 1e4) : nlohmann::json();
}

nlohmann::json rows_json(const std::vector<SetRow>& rows) {
  auto json = nlohmann::json::array();
  for (const SetRow& row : rows) {
    json.push_back({{"class", row.choice->label},
                    {"shape", row.choice->shape},
                    {"call", row.called},
                    {"call_loss", number(row.called_loss)},
                    {"made", row.made},
                    {"made_loss", number(row.made_loss)},
                    {"call_over_fastest_of_all", number(row.called_over_all)}});
  }
  return json;
}

nlohmann::json kernel_json(const Recipe& recipe, const Package& package, const KernelSet& set) {
  auto variants = nlohmann::json::array();
  for (const Variant* v : Contents::variants_of(set)) {
    auto verdicts = nlohmann::json::array();
    nlohmann::json code;  // what was measured; null: nothing was
    for (const Member& m : package.fleet.members) {
      const auto it = m.profile.evidence.find(v->name());
      verdicts.push_back(it != m.profile.evidence.end() ? it->second.verdict : nlohmann::json());
      if (it != m.profile.evidence.end()) {
        code = it->second.code;
      }
    }
    variants.push_back({{"label", v->label()},
                        {"chosen", std::ranges::find(set.labels, v->label()) != set.labels.end()},
                        {"code", code},
                        {"file", v->file},
                        {"flags", recipe.flags_of(v->isa)},
                        {"verdicts", verdicts}});
  }
  auto members = nlohmann::json::object();
  for (const auto& [m, rows] : set.members) {
    members[fmt::format("{}", m)] = rows_json(rows);
  }
  auto losses = nlohmann::json::array();
  for (const double loss : set.loss_of_number) {
    losses.push_back(number(loss));
  }
  return {{"contract", find_kernel(set.kernel).contract->version},
          {"variants", variants},
          {"loss_of_number", losses},
          {"cpus", members}};
}

/// Markdown has its own meaning for it.
std::string cell(std::string text) {
  std::erase(text, '|');
  return text;
}

/// Classes of a kernel over all CPUs, in the order in which they come.
std::vector<std::string> classes_of(const KernelSet& set) {
  std::vector<std::string> classes;
  for (const auto& [member, rows] : set.members) {
    for (const SetRow& row : rows) {
      if (std::ranges::find(classes, row.choice->label) == classes.end()) {
        classes.push_back(row.choice->label);
      }
    }
  }
  return classes;
}

/// Of one CPU at a class; nullptr: it has no such class.
const SetRow* row_of(const KernelSet& set, size_t member, const std::string& label) {
  const auto rows = set.members.find(member);
  if (rows == set.members.end()) {
    return nullptr;
  }
  const auto row = std::ranges::find_if(rows->second, [&](const SetRow& r) { return r.choice->label == label; });
  return row != rows->second.end() ? &*row : nullptr;
}

/// What one CPU takes at a class: "avx2 1.2%; jit_avx2 0.0%".
std::string call_of(const SetRow& row) {
  std::string text = fmt::format("{} {}", row.called, percent(row.called_loss));
  if (row.made != row.called) {
    text += fmt::format("; {} {}, a call takes {:.2f} times that", row.made, percent(row.made_loss),
                        1 + row.called_over_all);
  }
  return text;
}

/// What its own profile chose there, and how near to the machine's limit that is.
std::string choice_of(const SetRow& row) {
  const double share = timing_of(*row.choice, "share_of_limit", 0);
  return row.choice->variant + (share > 0 ? fmt::format(" {:.0f}%", 100 * share) : "");
}

/// A row for each kernel and class, a column for each CPU.
template <class Cell>
std::string matrix(const Package& package, const Cell& cell_of) {
  std::string text = "| kernel | class |", line = "|---|---|";
  for (const Member& m : package.fleet.members) {
    text += fmt::format(" {} |", cell(name_of_cpu(m.profile.cpu)));
    line += "---|";
  }
  text += fmt::format("\n{}\n", line);
  for (const KernelSet& set : package.contents.sets) {
    for (const std::string& label : classes_of(set)) {
      text += fmt::format("| {} | {} |", set.kernel, cell(label));
      for (size_t m = 0; m < package.fleet.members.size(); ++m) {
        const SetRow* row = row_of(set, m, label);
        text += fmt::format(" {} |", row != nullptr ? cell_of(*row) : "");
      }
      text += "\n";
    }
  }
  return text;
}

std::string calls_markdown(const Package& package) {
  return "\n## What each CPU chose for itself\n\nAnd its share of the machine's limit there, where that was "
         "measured.\n\n" +
         matrix(package, choice_of) +
         "\n## What it takes of this export\n\nWhat a call takes, and what that loses: the upper end of the interval "
         "of its time over that of the fastest that could be "
         "called. Behind the semicolon, where it is another, what `assay_<kernel>_for` gives and loses to the fastest "
         "of all.\n\n" +
         matrix(package, call_of);
}

}  // namespace

nlohmann::json evidence_json(const Recipe& recipe, const Package& package, const ExportOptions& options) {
  auto cpus = nlohmann::json::array();
  for (const Member& m : package.fleet.members) {
    cpus.push_back({{"name", name_of_cpu(m.profile.cpu)},
                    {"profiles", m.profiles},
                    {"date", m.profile.date},
                    {"compiler", m.profile.compiler},
                    {"disagreements", m.disagreements}});
  }
  nlohmann::json kernels;
  for (const KernelSet& set : package.contents.sets) {
    kernels[set.kernel] = kernel_json(recipe, package, set);
  }
  return {{"made_by", "assay export"},
          {"options",
           {{"kernels", options.kernels},
            {"within", options.set.within},
            {"generators", options.set.generators},
            {"single_file", options.single_file}}},
          {"cpus", cpus},
          {"flags_of_all", recipe.flags_of_all()},
          {"kernels", kernels}};
}

std::string losses_text(const Contents& contents) {
  std::string text = fmt::format("{:<24} {:>8} {:>8} {:>8}  {}\n", "kernel", "1", "2", "3", "taken");
  for (const KernelSet& set : contents.sets) {
    const auto loss = [&](size_t n) { return n < set.loss_of_number.size() ? percent(set.loss_of_number[n]) : ""; };
    text += fmt::format("{:<24} {:>8} {:>8} {:>8}  {}\n", set.kernel, loss(0), loss(1), loss(2),
                        fmt::join(set.labels, ", "));
  }
  return text;
}

std::string evidence_markdown(const Package& package, const ExportOptions& options) {
  std::string text = fmt::format(
      "# Why these variants\n\nWritten by `assay export`; evidence.json has the same for programs, fleet.json what it "
      "was made from. Every variant here passed "
      "assay's check on each CPU below that takes it.\n\n"
      "Asked for: at most {} lost on any CPU at any class of sizes, by the upper end of the interval; with the fewest "
      "variants. {}\n\n"
      "## The CPUs\n\n| CPU | profiles | last | compiler |\n|---|---|---|---|\n",
      percent(options.set.within),
      options.set.generators ? "Generated code was among them." : "Generated code was left out.");
  for (const Member& m : package.fleet.members) {
    text += fmt::format("| {} | {} | {} | {} |\n", cell(name_of_cpu(m.profile.cpu)), m.profiles, m.profile.date,
                        cell(m.profile.compiler));
  }
  text +=
      "\n## What 1, 2 or 3 variants lose at worst\n\nOver all CPUs and classes. `-`: no such number of variants runs "
      "on every CPU and has passed there.\n\n"
      "| kernel | 1 | 2 | 3 | taken | lost at worst |\n|---|---|---|---|---|---|\n";
  for (const KernelSet& set : package.contents.sets) {
    const auto loss = [&](size_t n) { return n < set.loss_of_number.size() ? percent(set.loss_of_number[n]) : "-"; };
    text += fmt::format("| {} | {} | {} | {} | {} | {} |\n", set.kernel, loss(0), loss(1), loss(2),
                        fmt::join(set.labels, ", "), percent(worst_loss(set)));
  }
  for (const KernelSet& set : package.contents.sets) {
    if (set.unavoidable > 0) {
      text += fmt::format(
          "\n{}: packed weights have one layout on a CPU, and no one layout is within what was asked at every class: "
          "{} is lost however many "
          "variants there are.\n",
          set.kernel, percent(set.unavoidable));
    }
  }
  text += calls_markdown(package);
  if (!package.left_out.empty()) {
    text += fmt::format("\nNot measured, and so not here: {}.\n", fmt::join(package.left_out, ", "));
  }
  return text;
}

}  // namespace assay
