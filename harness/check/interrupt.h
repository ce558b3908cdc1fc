#pragma once
#include "harness/check/caller.h"

namespace assay {

/// Calls it interrupted after each instruction (each SIGTRAP's frame overwrites what lies below the red zone), and at a few
/// of them re-entered on other data; on the way each new instruction is judged: whether the variant's ISA has it, whether it
/// is another variant's, whether a call's stack is aligned, and each: whether it touches what is not its own. Throws Mismatch.
void check_interrupted(FuzzedCase& c, Caller& caller);

}  // namespace assay
