#include "harness/audit.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/error.h"
#include "harness/progress.h"

namespace assay {
namespace {

/// About 0.7 of each size over 1, in whole blocks where the contract wants them: no shape that tuning used.
ShapeClass beside(const Trial& trial, const ShapeClass& used) {
  for (const size_t unit : {size_t{1}, size_t{32}, size_t{64}, size_t{128}}) {
    ShapeClass other{used.label + " x 0.7", used.shape, used.cold};
    for (size_t& size : other.shape) {
      size = size <= 1 ? size : std::max<size_t>(size * 7 / 10 / unit, 1) * unit;
    }
    try {
      trial.validate(other.shape);
      return other;
    } catch (const InputError&) {  // not a multiple of its blocks
    }
  }
  return used;
}

}  // namespace

std::unique_ptr<Dispatch> dispatch_to_audit(const Cpu& cpu, const std::string& profile_path) {
  std::string refused;
  Dispatch::Options options;
  options.profile = profile_path;
  options.use_environment = false;
  options.notice = [&](const std::string& line) { refused = line; };
  auto dispatch = std::make_unique<Dispatch>(cpu, options);
  if (!refused.empty()) {
    throw MachineError(fmt::format("there is no choice to audit: {}", refused));
  }
  return dispatch;
}

std::vector<AuditEntry> audit(const Cpu& cpu, const std::vector<Verdict>& verdicts, Dispatch& dispatch) {
  BenchOptions options;
  options.repetitions = 15;
  options.min_time = 0.01;
  BenchOptions at_length;
  at_length.repetitions = 41;
  at_length.min_time = 0.02;
  std::vector<AuditEntry> entries;
  Progress progress;
  nlohmann::json google;
  for (const auto& kernel : kernels()) {
    const auto variants = passing_variants(kernel, verdicts, "*");
    if (variants.empty()) {
      continue;
    }
    for (const auto& used : timed_classes(*kernel.trial, cpu.caches)) {
      const ShapeClass shape_class = beside(*kernel.trial, used);
      const ShapeTimings t = time_shape(kernel, variants, shape_class, options, google);
      const Variant* chosen = &dispatch.choose_variant(kernel.name, shape_class.shape, shape_class.cold);
      const Variant* fastest = kernel.find(std::ranges::min_element(t.timings, {}, &Timing::median_ns)->variant);
      if (t.find(chosen->label()) == nullptr) {
        continue;  // what the profile names did not pass now
      }
      AuditEntry entry{kernel.name, shape_class.label, chosen->label(), fastest->label(), 0, t.control_ratio() - 1};
      if (chosen != fastest) {
        const ShapeTimings alone = time_shape(kernel, {chosen, fastest}, shape_class, at_length, google);
        if (!alone.tie && alone.winner == fastest->label()) {
          entry.loss = alone.find(chosen->label())->median_ns / alone.find(fastest->label())->median_ns - 1;
        }
        entry.noise = alone.control_ratio() - 1;
      }
      entries.push_back(entry);
      progress.show(fmt::format("audit: {} {}", kernel.name, shape_class.label));
    }
  }
  progress.clear();
  return entries;
}

void print_audit(std::vector<AuditEntry> entries) {
  if (entries.empty()) {
    throw MachineError("nothing was audited: no variant passed the check");
  }
  fmt::print("{:<18} {:<24} {:<11} {:<11} {:>7} {:>7}\n", "kernel", "shape", "chosen", "fastest", "loss", "noise");
  for (const auto& e : entries) {
    fmt::print("{:<18} {:<24} {:<11} {:<11} {:>6.1f}% {:>6.1f}%\n", e.kernel, e.shape, e.chosen, e.fastest,
               100 * e.loss, 100 * e.noise);
  }
  std::ranges::sort(entries, {}, &AuditEntry::loss);
  constexpr double kAskedFor = 0.03;
  fmt::print("\n{} shapes: median loss {:.1f}%, worst {:.1f}% ({} {}); asked for are 0% and under 3%\n", entries.size(),
             100 * entries[entries.size() / 2].loss, 100 * entries.back().loss, entries.back().kernel,
             entries.back().shape);
  fmt::print("over 3% lost: {}; noise over 3%, so that as much would not show: {}\n",
             std::ranges::count_if(entries, [](const AuditEntry& e) { return e.loss > kAskedFor; }),
             std::ranges::count_if(entries, [](const AuditEntry& e) { return e.noise > kAskedFor && e.loss == 0; }));
}

}  // namespace assay
