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
    for (const Member& m : package.fleet.members) {
      const auto it = m.profile.evidence.find(v->name());
      verdicts.push_back(it != m.profile.evidence.end() ? it->second.verdict : nlohmann::json());
    }
    variants.push_back({{"label", v->label()},
                        {"chosen", std::ranges::find(set.labels, v->label()) != set.labels.end()},
                        {"code", v->code},
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
           {{"kernels", options.kernels}, {"within", options.set.within}, {"generators", options.set.generators}}},
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
  text +=
      "\n## What is called\n\n`call` is what a call takes, which is never generated code; `for` what "
      "`assay_<kernel>_for` gives. `lost`: the upper end of the interval "
      "of its time over that of the fastest that could be taken; `over all`: the median of a call's time over that of "
      "the fastest of all.\n";
  for (size_t m = 0; m < package.fleet.members.size(); ++m) {
    text += fmt::format(
        "\n### {}\n\n| kernel | class | call | lost | over all | for | lost |\n|---|---|---|---|---|---|---|\n",
        name_of_cpu(package.fleet.members[m].profile.cpu));
    for (const KernelSet& set : package.contents.sets) {
      const auto it = set.members.find(m);
      for (const SetRow& row : it != set.members.end() ? it->second : std::vector<SetRow>()) {
        text += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", set.kernel, row.choice->label, row.called,
                            percent(row.called_loss), percent(row.called_over_all), row.made, percent(row.made_loss));
      }
    }
  }
  if (!package.left_out.empty()) {
    text += fmt::format("\nNot measured, and so not here: {}.\n", fmt::join(package.left_out, ", "));
  }
  return text;
}

}  // namespace assay
