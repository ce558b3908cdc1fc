#pragma once
#include <memory>
#include <string>
#include <vector>

#include "harness/bench/bench.h"
#include "harness/runtime/dispatch.h"

namespace assay {

/// What a profile's choice loses at one shape that tuning did not use.
struct AuditEntry {
  std::string kernel, shape, chosen, fastest;
  double loss = 0;   ///< time of the chosen over that of the fastest, less 1; 0 if they tie
  double noise = 0;  ///< a variant's time over its own, less 1: a loss below shows no difference
};

/// What the profile yields. `profile_path`: "" for the default place. Throws InputError or MachineError if there is no
/// usable profile.
std::unique_ptr<Dispatch> dispatch_to_audit(const Cpu& cpu, const std::string& profile_path);

/// Times, at sizes of each class that are drawn from `seed`, ragged lengths among them, what dispatch chooses against every other passing
/// variant; then, at length, against the fastest of these alone: the lowest of ten medians is partly luck, and a run of its
/// own is not. For the same reason large losses are measured once more, and that counts.
std::vector<AuditEntry> audit(const Cpu& cpu, const std::vector<Verdict>& verdicts, Dispatch& dispatch, uint64_t seed);

/// A line for each shape, then the median and the worst loss.
void print_audit(std::vector<AuditEntry> entries);

}  // namespace assay
