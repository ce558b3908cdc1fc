#pragma once
// What trials have alike whose kernels are of a weight format.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "harness/check/trial.h"
#include "harness/runtime/error.h"
#include "harness/runtime/formats.h"

namespace assay {

/// How a family is tried with a format: made once.
template <class TrialOfFormat>
const Trial& trial_of_format(const char* format) {
  static std::map<std::string, std::unique_ptr<TrialOfFormat>> trials;
  auto& trial = trials[format];
  if (!trial) {
    trial = std::make_unique<TrialOfFormat>(find_format(format));
  }
  return *trial;
}

/// Throws InputError for n weights that are no whole blocks of a format.
inline void expect_whole_blocks(size_t n, size_t block, std::string_view format) {
  if (n % block != 0) {
    throw InputError(fmt::format("size n={} is no multiple of {}, the block of {}; take n={}", n, block, format,
                                 (n / block + 1) * block));
  }
}

}  // namespace assay
