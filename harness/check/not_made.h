#pragma once
#include <string>
#include <vector>

#include "harness/check/check.h"

namespace assay {

/// What of `assay check` could not be made on this machine, each with its reason, for people. A pass without them says less.
std::vector<std::string> checks_not_made(const std::vector<Verdict>& verdicts);

}  // namespace assay
