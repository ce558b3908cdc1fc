#pragma once
#include <vector>

#include "harness/bench/bench.h"
#include "harness/check/check.h"
#include "harness/runtime/cpu.h"
#include "harness/runtime/profile.h"

namespace assay {

/// The choices that verdicts and timings justify. Of a class that was timed at several sizes (which follow each other in
/// `shapes`, from its own down), there is one for each two neighbours and what lies between them: winner_of both. There is
/// none of a class at whose own shape a variant that was timed was not checked.
Profile choose(const Cpu& cpu, const std::vector<Verdict>& verdicts, const std::vector<ShapeTimings>& shapes);

}  // namespace assay
