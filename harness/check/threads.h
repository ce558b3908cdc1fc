#pragma once
#include <functional>

#include "harness/check/caller.h"

namespace assay {

/// Calls it while another thread runs the same variant on other data, both instruction by instruction: which of them goes on
/// is drawn, not the scheduler's, so that it repeats and needs no second core. Throws Mismatch.
void check_interleaved(FuzzedCase& c, Caller& caller);

/// Whether the system gives this process another thread. Tried once.
bool threads_available();
/// The same, for a check that needs one: where there is none, the log says that it was left out. A child may be given none where
/// its parent was.
bool threads_for_a_check();

/// Calls `mine` over and over while another thread calls `other`, with the number of its round, until both were called `enough`
/// times, so that they overlap, or `mine` has returned false; it is called `most` times at most: a core that is taken away must
/// not stall the check. False from `other` ends its thread. What `mine` throws is passed on; `other` may not throw.
void run_beside(const std::function<bool(int round)>& other, const std::function<bool()>& mine, int enough, int most);

/// The same at full speed, as the scheduler has it. Throws Mismatch.
void check_beside_a_thread(FuzzedCase& c, Caller& caller);

}  // namespace assay
