#include "harness/bench/audit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/bench/progress.h"
#include "harness/runtime/error.h"

namespace assay {

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

namespace {

constexpr double kLarge = 0.015;  // a loss that is measured anew

/// The class at 40 to 100 percent of its size, with any remainder if it is ragged.
ShapeClass draw_size(Rng& rng, const Kernel& kernel, const ShapeClass& own) {
  ShapeClass drawn = scaled(kernel, own, static_cast<int>(rng.between(40, 100)));
  if (drawn.ragged) {
    drawn.shape[0] = drawn.shape[0] / 64 * 64 + static_cast<size_t>(rng.between(1, 63));
  }
  return drawn;
}

}  // namespace

std::vector<AuditEntry> audit(const Cpu& cpu, const std::vector<Verdict>& verdicts, Dispatch& dispatch, uint64_t seed) {
  Rng rng(seed);
  BenchOptions options;  // to find which seems the fastest
  options.repetitions = 18;
  options.min_time = 0.0005;
  options.drop_over = kHopeless;
  BenchOptions at_length;
  at_length.repetitions = 90;
  at_length.min_time = 0.001;
  Progress progress;
  options.on_progress = at_length.on_progress = [&](const std::string& text) { progress.show("audit: " + text); };
  nlohmann::json google;
  std::vector<TimingJob> jobs;
  for (const auto& kernel : kernels()) {
    const auto variants = passing_variants(kernel, verdicts, "*");
    if (variants.empty()) {
      continue;
    }
    for (const auto& used : timed_classes(kernel, cpu.caches)) {
      jobs.push_back({&kernel, variants, draw_size(rng, kernel, used)});
    }
  }
  std::vector<Verdict> with_shapes = verdicts;
  drop_hopeless(cpu, jobs, with_shapes, options);
  for (TimingJob& job : jobs) {
    // What is chosen is timed, even if it is hopeless, and if a search found it: then it is none of the registry's.
    const ShapeClass& drawn = job.shape_class;
    const Variant& chosen = dispatch.choose_variant(job.kernel->name, drawn.shape, drawn.cold);
    const bool passed = std::ranges::any_of(verdicts, [&](const Verdict& v) {
      return v.may_be_chosen() && v.kernel == chosen.kernel && v.variant == chosen.usual_label();
    });
    if (passed && std::ranges::find(job.variants, &chosen) == job.variants.end()) {
      job.variants.insert(job.variants.begin(), &chosen);
    }
  }
  std::vector<AuditEntry> entries;
  std::vector<TimingJob> pairs;  // of the entries whose choice was not the fastest
  std::vector<size_t> entry_of;  // pair
  for (const ShapeTimings& t : time_shapes(jobs, options, google)) {
    const Kernel& kernel = find_kernel(t.kernel);
    const Variant& chosen = dispatch.choose_variant(t.kernel, t.shape_class.shape, t.shape_class.cold);
    const Variant& fastest = find_variant(kernel.name + "/" + t.fastest().variant);
    if (t.find(chosen.label()) == nullptr) {
      continue;  // what the profile names did not pass now
    }
    entries.push_back({t.kernel, fmt::format("{} ({})", t.shape_class.name(), fmt::join(t.shape_class.shape, "x")),
                       chosen.label(), fastest.label(), 0, t.control_ratio() - 1});
    if (&chosen != &fastest) {
      pairs.push_back({&kernel, {&chosen, &fastest}, t.shape_class});
      entry_of.push_back(entries.size() - 1);
    }
  }
  const auto measure = [&] {
    const auto timed = time_shapes(pairs, at_length, google);
    for (size_t i = 0; i < timed.size(); ++i) {
      AuditEntry& entry = entries[entry_of[i]];
      const Timing& chosen = *timed[i].find(entry.chosen);
      entry.loss = chosen.slower ? chosen.ratio - 1 : 0;
      entry.noise = timed[i].control_ratio() - 1;
    }
  };
  measure();
  // The largest of some hundred losses is mostly what happened to be disturbed the most. So the large ones are measured anew, minutes
  // later, and only that counts: it was not selected for its size.
  for (size_t i = pairs.size(); i-- > 0;) {
    if (entries[entry_of[i]].loss <= kLarge) {
      pairs.erase(pairs.begin() + static_cast<std::ptrdiff_t>(i));
      entry_of.erase(entry_of.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  measure();
  progress.clear();
  return entries;
}

void print_audit(std::vector<AuditEntry> entries) {
  if (entries.empty()) {
    throw MachineError("nothing was audited: no variant passed the check");
  }
  fmt::print("{:<18} {:<34} {:<11} {:<11} {:>7} {:>7}\n", "kernel", "shape", "chosen", "fastest", "loss", "noise");
  for (const auto& e : entries) {
    fmt::print("{:<18} {:<34} {:<11} {:<11} {:>6.1f}% {:>6.1f}%\n", e.kernel, e.shape, e.chosen, e.fastest,
               100 * e.loss, 100 * e.noise);
  }
  std::ranges::sort(entries, {}, &AuditEntry::loss);
  constexpr double kAskedFor = 0.03;
  fmt::print("\n{} shapes: median loss {:.1f}%, worst {:.1f}% ({} {}); asked for are 0% and under 3%\n", entries.size(),
             100 * entries[entries.size() / 2].loss, 100 * entries.back().loss, entries.back().kernel,
             entries.back().shape);
  fmt::print("what lost over {:.1f}% was measured anew, and that counts\n", 100 * kLarge);
  fmt::print("over 3% lost: {}; noise over 3%, so that as much would not show: {}\n",
             std::ranges::count_if(entries, [](const AuditEntry& e) { return e.loss > kAskedFor; }),
             std::ranges::count_if(entries, [](const AuditEntry& e) { return e.noise > kAskedFor && e.loss == 0; }));
}

}  // namespace assay
