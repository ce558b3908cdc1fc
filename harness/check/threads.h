#pragma once
#include "harness/check/caller.h"

namespace assay {

/// Calls it while another thread runs the same variant on other data, both instruction by instruction: which of them goes on
/// is drawn, not the scheduler's, so that it repeats and needs no second core. Throws Mismatch.
void check_interleaved(FuzzedCase& c, Caller& caller);

/// Whether the system gives this process another thread. Tried once.
bool threads_available();

/// The same at full speed, as the scheduler has it. Throws Mismatch.
void check_beside_a_thread(FuzzedCase& c, Caller& caller);

}  // namespace assay
