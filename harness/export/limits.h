#pragma once
#include <string>
#include <vector>

#include "harness/export/smallest_set.h"

namespace assay {

/// Up to this length, this variant.
struct Limit {
  size_t most;
  std::string label;
};

/// Of a kernel with one size: what to call at each length that is a multiple of 64, or that is none, by the class that is nearest (as
/// Dispatch::choose_variant has it). The last is for SIZE_MAX.
std::vector<Limit> limits_of(const std::vector<SetRow>& rows, bool ragged);

}  // namespace assay
