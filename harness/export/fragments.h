#pragma once
#include <string>

#include "harness/export/package.h"

namespace assay {

/// The choices alone, for builds that have the kernels: of each kernel and CPU what a call takes at each class.
std::string choices_json(const Package& package);

/// The same as variables of CMake: set(ASSAY_dot_f32 "avx2;auto_v3"), the variants to build in.
std::string choices_cmake(const Package& package);

}  // namespace assay
