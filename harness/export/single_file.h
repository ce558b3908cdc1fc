#pragma once
#include <map>
#include <string>

#include "harness/export/interface.h"

namespace assay {

/// assay_kernels.h and assay_kernels.cpp: everything of an export in two files, to drop into a project. Each unit lies in a namespace of its own
/// with what it includes, compiled for its ISA by pragmas of GCC and clang. Throws InputError if a variant is in assembly.
std::map<std::string, std::string> single_file(const Recipe& recipe, const Contents& contents, const Fleet& fleet);

}  // namespace assay
