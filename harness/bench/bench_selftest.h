#pragma once
#include <deque>

#include "harness/bench/bench.h"

namespace assay {

/// For each variant that passed and matches a kernel of three: the variant, the same under another name, and slowed by a tenth. Jobs may point
/// into it.
std::deque<Kernel> copies_to_compare(const std::vector<Verdict>& verdicts, const BenchOptions& options);

/// How far timings can be trusted here: for each variant, the same code timed as if it were two variants, and beside a
/// copy that runs exactly 10% longer.
struct BenchSelftest {
  size_t pairs = 0;
  size_t false_winners = 0;  ///< A/A pairs in which one was named the winner
  size_t slowed_found = 0;   ///< slowed copies that were found slower
  std::vector<std::string> false_names, missed_names;
};

/// Every variant that passed and matches, at its kernel's first shape class (the smallest).
BenchSelftest bench_selftest(const Cpu& cpu, const std::vector<Verdict>& verdicts, const BenchOptions& options);

/// For people. False if more than 5% are false winners or less than 95% of the slowed are found.
bool print_bench_selftest(const BenchSelftest& result);

}  // namespace assay
