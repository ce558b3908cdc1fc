#pragma once
#include <string>

#include "harness/check/check.h"

namespace assay {

/// Writes a failure as JSON to a file of its own in `folder` (made if missing): the case, what went wrong, the CPU and
/// build. Returns the path. Throws InputError if it cannot be written.
std::string save_failure(const std::string& folder, const Cpu& cpu, const Verdict& failure);

/// The case of a saved failure. Throws InputError naming the file for anything else.
CaseId read_failure(const std::string& path);

}  // namespace assay
