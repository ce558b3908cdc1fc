#include "harness/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "harness/dispatch.h"
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

std::vector<AuditEntry> audit(const Cpu& cpu, const std::vector<Verdict>& verdicts, const std::string& profile_path) {
  std::string refused;
  Dispatch::Options dispatch_options;
  dispatch_options.profile = profile_path;
  dispatch_options.use_environment = false;
  dispatch_options.notice = [&](const std::string& line) { refused = line; };
  Dispatch dispatch(cpu, dispatch_options);
  if (!refused.empty()) {
    throw MachineError(fmt::format("there is no choice to audit: {}", refused));
  }
  std::set<std::string> passed;
  for (const auto& v : verdicts) {
    if (v.status == Status::pass) {
      passed.insert(v.kernel + "/" + v.variant);
    }
  }
  BenchOptions options;
  options.repetitions = 21;
  options.min_time = 0.01;
  std::vector<AuditEntry> entries;
  Progress progress;
  nlohmann::json google;
  for (const auto& kernel : kernels()) {
    std::vector<const Variant*> variants;
    for (const auto& v : kernel.variants) {
      if (v.defect.empty() && passed.contains(v.name())) {
        variants.push_back(&v);
      }
    }
    if (variants.empty()) {
      continue;
    }
    for (const auto& used : timed_classes(*kernel.trial, cpu.caches)) {
      const ShapeClass shape_class = beside(*kernel.trial, used);
      const ShapeTimings t = time_shape(kernel, variants, shape_class, options, google);
      const Timing* chosen = t.find(dispatch.choose_variant(kernel.name, shape_class.shape, shape_class.cold).isa);
      if (chosen == nullptr) {
        continue;  // what the profile names did not pass now
      }
      const auto fastest = std::ranges::min_element(t.timings, {}, &Timing::median_ns);
      const double ratio = chosen->median_ns / fastest->median_ns;
      const bool tie = chosen->low_ns <= fastest->high_ns || ratio <= t.control_ratio();
      entries.push_back({kernel.name, shape_class.label, chosen->variant, fastest->variant, tie ? 0 : ratio - 1});
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
  fmt::print("{:<18} {:<24} {:<11} {:<11} {:>7}\n", "kernel", "shape", "chosen", "fastest", "loss");
  for (const auto& e : entries) {
    fmt::print("{:<18} {:<24} {:<11} {:<11} {:>6.1f}%\n", e.kernel, e.shape, e.chosen, e.fastest, 100 * e.loss);
  }
  std::ranges::sort(entries, {}, &AuditEntry::loss);
  fmt::print("\n{} shapes: median loss {:.1f}%, worst {:.1f}% ({} {})\n", entries.size(),
             100 * entries[entries.size() / 2].loss, 100 * entries.back().loss, entries.back().kernel,
             entries.back().shape);
}

}  // namespace assay
