#pragma once
#include "harness/check/check.h"

namespace assay {

inline constexpr size_t kCandidates = 300;

/// Reduces a failing case while it still fails: first the sizes, then the input class, the aliasing and the places of the
/// buffers, then the values: to zero outside a window that is made narrow, to small integers inside it. Each
/// candidate runs in a child process; at most `budget` of them, for 20 s.
CaseId shrink(const Cpu& cpu, const CaseId& failing, size_t budget = kCandidates);

/// Shrinks the verdict's failing case, if it has one: reason, reproduction and check become the shrunk case's.
void shrink_failure(const Cpu& cpu, Verdict& verdict);

}  // namespace assay
