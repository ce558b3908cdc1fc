#pragma once
#include "harness/bench.h"

namespace assay {

/// What a profile's choice loses at one shape that tuning did not use.
struct AuditEntry {
  std::string kernel, shape, chosen, fastest;
  double loss = 0;  ///< time of the chosen over that of the fastest, less 1; 0 if they tie
};

/// Times, at shapes between and beside those of tuning, what dispatch chooses against every other passing variant.
/// `profile_path`: "" for the default place. Throws MachineError if there is no usable profile.
std::vector<AuditEntry> audit(const Cpu& cpu, const std::vector<Verdict>& verdicts, const std::string& profile_path);

/// A line for each shape, then the median and the worst loss.
void print_audit(std::vector<AuditEntry> entries);

}  // namespace assay
