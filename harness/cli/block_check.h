#pragma once
#include <cstdint>
#include <string>

#include "harness/check/check.h"

namespace assay {

struct BlockCheckOptions {
  std::string variant_glob = "*";  ///< the variants to mix
  std::string force;               ///< "kernel=variant,...": these are not mixed
  uint64_t seed = 1;               ///< sample i is made from seed + i
  uint64_t samples = 300;
  double timeout = 30;  ///< seconds without a finished sample: a hang
};

/// Fuzzes a whole GPT-2 block: random sizes, weights, numbers of tokens and lengths of the cache, each kernel on a random
/// runnable variant, against the reference block in double. On failure the reason names the kernel to blame, found by
/// swapping one kernel at a time to `scalar`. In a child process.
///
/// The bound on each output is calibrated, not derived: with M = the largest |output| of the sample and n = n_embd,
/// F32 weights: 64 sqrt(n) * 2^-24 * M; Q1_0 weights: (2^-6 + the same) * M, since a difference in the last bit can move an
/// activation to the next of 127 steps. Measured over 20,000 samples of all variants: see block_check.cpp.
Verdict check_gpt2_block(const Cpu& cpu, const BlockCheckOptions& options);

}  // namespace assay
