#pragma once
#include <string>
#include <vector>

namespace assay {

/// What of `assay check` cannot be made in this process, on this machine, each with its reason, for people. A pass without them says less.
std::vector<std::string> checks_not_made();

}  // namespace assay
