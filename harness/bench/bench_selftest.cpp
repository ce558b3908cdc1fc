#include "harness/bench/bench_selftest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/runtime/error.h"

namespace assay {

std::deque<Kernel> copies_to_compare(const std::vector<Verdict>& verdicts, const BenchOptions& options) {
  std::deque<Kernel> copies;
  for (const auto& kernel : kernels()) {
    if (!glob_match(options.kernel_glob, kernel.name)) {
      continue;
    }
    for (const Variant* variant : passing_variants(kernel, verdicts, options.variant_glob)) {
      Kernel& copy = copies.emplace_back(Kernel{kernel.name, kernel.contract, {*variant, *variant, *variant}});
      copy.variants[1].defect = "again";
      copy.variants[2].defect = kSlowed;
    }
  }
  return copies;
}

BenchSelftest bench_selftest(const Cpu& cpu, const std::vector<Verdict>& verdicts, const BenchOptions& options) {
  const std::deque<Kernel> copies = copies_to_compare(verdicts, options);
  std::vector<TimingJob> jobs;  // two for each variant: against itself, and against its slowed copy
  for (const Kernel& copy : copies) {
    const ShapeClass shape_class = trial_of(copy).shape_classes(cpu.caches).front();
    jobs.push_back({&copy, {&copy.variants[0], &copy.variants[1]}, shape_class});
    jobs.push_back({&copy, {&copy.variants[2], &copy.variants[0]}, shape_class});
  }
  nlohmann::json google;
  const auto shapes = time_shapes(jobs, options, google);
  if (shapes.size() < jobs.size() || jobs.empty()) {
    throw InputError("nothing to time: no variant with a passing verdict matches --kernel, --variant and --filter");
  }
  BenchSelftest result;
  result.pairs = copies.size();
  for (size_t i = 0; i < shapes.size(); i += 2) {
    const Variant& variant = *jobs[i].variants[0];
    const ShapeTimings& same = shapes[i];
    const ShapeTimings& slowed = shapes[i + 1];
    if (!same.tie) {
      ++result.false_winners;
      result.false_names.push_back(variant.name());
    }
    if (!slowed.tie && slowed.winner == variant.label()) {
      ++result.slowed_found;
    } else {
      result.missed_names.push_back(variant.name());
    }
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
