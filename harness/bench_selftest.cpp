#include "harness/bench_selftest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/error.h"
#include "harness/progress.h"

namespace assay {

BenchSelftest bench_selftest(const Cpu& cpu, const std::vector<Verdict>& verdicts, const BenchOptions& options) {
  BenchSelftest result;
  Progress progress;
  nlohmann::json google;
  for (const auto& kernel : kernels()) {
    if (!glob_match(options.kernel_glob, kernel.name)) {
      continue;
    }
    for (const Variant* passing : passing_variants(kernel, verdicts, options.variant_glob)) {
      const Variant& variant = *passing;
      const ShapeClass shape_class = kernel.trial->shape_classes(cpu.caches).front();
      Kernel copies{kernel.name, kernel.trial, {variant, variant, variant}};
      copies.variants[1].defect = "again";
      copies.variants[2].defect = kSlowed;
      const ShapeTimings same =
          time_shape(copies, {&copies.variants[0], &copies.variants[1]}, shape_class, options, google);
      // The control is always of the last: it must be honest code.
      const ShapeTimings slowed =
          time_shape(copies, {&copies.variants[2], &copies.variants[0]}, shape_class, options, google);
      if (same.timings.empty() || slowed.timings.empty()) {
        continue;
      }
      ++result.pairs;
      if (!same.tie) {
        ++result.false_winners;
        result.false_names.push_back(variant.name());
      }
      if (!slowed.tie && slowed.winner == variant.label()) {
        ++result.slowed_found;
      } else {
        result.missed_names.push_back(variant.name());
      }
      progress.show(fmt::format("{} pairs, {} false winners, {} slowed found", result.pairs, result.false_winners,
                                result.slowed_found));
    }
  }
  progress.clear();
  if (result.pairs == 0) {
    throw InputError("nothing to time: no variant with a passing verdict matches --kernel and --variant");
  }
  return result;
}

bool print_bench_selftest(const BenchSelftest& r) {
  const auto percent = [&](size_t n) { return 100.0 * static_cast<double>(n) / static_cast<double>(r.pairs); };
  fmt::print("A/A: a variant against itself named a winner in {} of {} pairs ({:.1f}%; at most 5% is asked for)\n",
             r.false_winners, r.pairs, percent(r.false_winners));
  if (!r.false_names.empty()) {
    fmt::print("    {}\n", fmt::join(r.false_names, ", "));
  }
  fmt::print("slowed by 10%: found slower in {} of {} pairs ({:.1f}%; at least 95% is asked for)\n", r.slowed_found,
             r.pairs, percent(r.slowed_found));
  if (!r.missed_names.empty()) {
    fmt::print("    missed: {}\n", fmt::join(r.missed_names, ", "));
  }
  return percent(r.false_winners) <= 5 && percent(r.slowed_found) >= 95;
}

}  // namespace assay
