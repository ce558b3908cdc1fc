#pragma once
#include <vector>

#include "harness/bench/bench.h"

namespace assay {

/// Checks the variants of each job at its shape and, where that does not take long, a size less and more. A variant that fails, or
/// cannot run there, is taken out of all jobs, and its verdict says so; the others' verdicts list the shapes.
void check_timed_shapes(const Cpu& cpu, std::vector<TimingJob>& jobs, std::vector<Verdict>& verdicts,
                        const BenchOptions& options);

}  // namespace assay
