#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "harness/bench/progress.h"
#include "harness/cli/commands.h"
#include "harness/predict/predict.h"
#include "harness/runtime/cpu.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

struct Arguments {
  std::string cpu;
  PredictOptions options;
  bool measure = false;
  bool json = false;
};

std::string number(double value, int digits) { return value == 0 ? "?" : fmt::format("{:.{}f}", value, digits); }

void print_kernel(const std::vector<const Prediction*>& rows, const std::string& cpu, bool measured) {
  const Prediction& first = *rows.front();
  fmt::print("{} at {} ({}), predicted for {}; a unit is one {}\n", first.kernel, first.shape_class.label,
             fmt::join(first.shape_class.shape, " x "), cpu, first.unit);
  fmt::print("  {:<12} {:>11} {:>10} {:>11} {:>7}", "variant", "predicted", "units/", "predicted", "loops");
  fmt::print("{}  {}\n", measured ? fmt::format(" {:>11} {:>9}", "measured", "measured/") : "", "main loop");
  fmt::print("  {:<12} {:>11} {:>10} {:>11} {:>7}", "", "cycles/iter", "iter", "cycles/unit", "cover");
  fmt::print("{}\n", measured ? fmt::format(" {:>11} {:>9}", "cycles/unit", "predicted") : "");
  for (const Prediction* p : rows) {
    if (!p->missing.empty()) {
      fmt::print("  {:<12} not predicted: {}\n", p->variant, p->missing);
      continue;
    }
    const PredictedLoop& loop = p->loops.front();
    fmt::print("  {:<12} {:>11.2f} {:>10} {:>11} {:>7}", p->variant, loop.cycles_per_iteration,
               number(p->units_per_iteration(), 2), number(p->cycles_per_unit(), 3),
               p->counted ? fmt::format("{:.0f}%", p->covered() * 100) : "?");
    if (measured) {
      fmt::print(" {:>11} {:>9}", number(p->measured_cycles_per_call / p->units_per_call, 3), number(p->ratio(), 2));
    }
    fmt::print("  {}, {} instructions{}{}\n", loop.place, loop.instructions,
               loop.caveat.empty() ? "" : ", with " + loop.caveat,
               p->loops.size() > 1 ? fmt::format(", and {} more", p->loops.size() - 1) : "");
  }
  for (const Prediction* p : rows) {
    if (!p->not_counted.empty()) {
      fmt::print("  {}: units per iteration not derived: {}; the loop shown handles most bytes\n", p->variant,
                 p->not_counted);
    }
  }
  fmt::print("\n");
}

void print(const std::vector<Prediction>& predictions, const CpuModel& model, bool measured) {
  std::vector<const Prediction*> rows;
  for (const auto& p : predictions) {
    if (!rows.empty() && rows.front()->kernel != p.kernel) {
      print_kernel(rows, model.name, measured);
      rows.clear();
    }
    rows.push_back(&p);
  }
  print_kernel(rows, model.name, measured);
}

int run_predict(const Arguments& a) {
  const CpuModel& model = find_cpu_model(a.cpu);
  const Cpu here = detect_cpu();
  const bool same = model.matches(here);
  const bool measured = same || a.measure;
  Progress progress;
  PredictOptions options = a.options;
  options.on_progress = [&](const std::string& line) { progress.show("predict: " + line); };
  std::vector<Prediction> predictions = predict(here, model, options);
  if (std::ranges::all_of(predictions, [](const Prediction& p) { return !p.missing.empty(); })) {
    progress.clear();
    const Prediction& first = predictions.front();
    throw MachineError(
        fmt::format("nothing was predicted for {}; {}/{}: {}", model.name, first.kernel, first.variant, first.missing));
  }
  std::pair<double, double> ghz{0, 0};
  if (measured) {
    ghz = measure(here, options, predictions);
  }
  progress.clear();
  const RatioSummary summary = summarise_ratios(predictions, "avx2");
  const std::string where = same ? fmt::format("measured on {}, the CPU predicted", here.brand)
                                 : fmt::format("measured on {}, which is not the CPU predicted", here.brand);
  if (a.json) {
    auto list = nlohmann::json::array();
    for (const auto& p : predictions) {
      list.push_back(to_json(p));
    }
    nlohmann::json out = {{"predicted_for", model.name}, {"tool", "llvm-mca"}, {"predictions", list}};
    if (measured) {
      out["measured"] = {{"on", here.brand},
                         {"is_the_cpu_predicted", same},
                         {"core_ghz", {ghz.first, ghz.second}},
                         {"avx2",
                          {{"variants", summary.count},
                           {"median_ratio", summary.median},
                           {"worst_ratio", summary.worst},
                           {"worst_variant", summary.worst_variant}}}};
    }
    fmt::print("{}\n", out.dump(1));
    return 0;
  }
  print(predictions, model, measured);
  fmt::print(
      "predicted: by llvm-mca for {}: every load hits the L1 cache and every branch is foreseen\n"
      "units/iter: counted by executing one call step by step here; cover: share of its instructions in the loops;\n"
      "below 50% the loops tell nothing of the call\n",
      model.name);
  if (!measured) {
    fmt::print("not measured: {} is not {}; --measure times it all the same\n", here.brand, model.name);
  } else {
    fmt::print("{}; core clock {:.2f} to {:.2f} GHz by dependent additions in the same run\n", where, ghz.first,
               ghz.second);
    if (summary.count > 0) {
      fmt::print("measured / predicted over {} avx2 variants: median {:.2f}, worst {:.2f} ({})\n", summary.count,
                 summary.median, summary.worst, summary.worst_variant);
    }
  }
  return 0;
}

}  // namespace

void add_predict_command(CLI::App& app, int& status) {
  auto a = std::make_shared<Arguments>();
  auto* command =
      app.add_subcommand("predict", "cycles of each variant's main loop on a CPU one does not own, by llvm-mca");
  std::string names;
  for (const auto& model : cpu_models()) {
    names += (names.empty() ? "" : "|") + model.name;
  }
  command->add_option("--cpu", a->cpu, names)->required();
  command->add_option("--kernel", a->options.kernel_glob, "globs of kernels, separated by commas")
      ->capture_default_str();
  command->add_option("--variant", a->options.variant_glob, "globs of variants (ISAs), separated by commas")
      ->capture_default_str();
  command->add_flag("--measure", a->measure, "time the variants here too, though this is another CPU");
  command->add_flag("--json", a->json, "for programs");
  command->callback([a, &status] { status = run_predict(*a); });
}

}  // namespace assay
