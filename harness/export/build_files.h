#pragma once
#include <map>
#include <string>

#include "harness/export/interface.h"

namespace assay {

/// CMakeLists.txt and what it configures, by their paths.
std::map<std::string, std::string> build_files(const Recipe& recipe, const Contents& contents);

/// What of the sources is compiled, unit by unit, with just the files that are needed.
std::vector<Unit> units_of(const Recipe& recipe, const Contents& contents);

}  // namespace assay
