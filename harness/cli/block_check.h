#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "harness/check/check.h"
#include "reference/transformer.h"
#include "runner/block.h"

namespace assay {

struct BlockCheckOptions {
  std::string architecture = "gpt2";
  std::string variant_glob = "*";  ///< the variants to mix
  std::string force;               ///< "kernel=variant,...": these are not mixed
  uint64_t seed = 1;               ///< sample i is made from seed + i
  uint64_t samples = 300;
  double timeout = 30;  ///< seconds without a finished sample: a hang
};

/// Rows of n_embd floats: `past` that fill the cache, then `tokens` at once.
struct BlockInput {
  size_t past = 0, tokens = 0;
  std::vector<float> x;
};

struct BlockOutcome {
  double error_over_bound = 0;
  std::string failure;  ///< "" if within the bound
};

/// One block through the runner, with the tensors that `runner` gives it, and through the reference, which has mapped and decoded the
/// true ones itself.
BlockOutcome compare_block(const TensorSource& runner, const reference::Block& truth, const BlockSizes& sizes,
                           const BlockInput& input, Dispatch& dispatch);

/// Fuzzes a whole block of an architecture: random sizes, weights, numbers of tokens and lengths of the cache, each kernel on a random
/// runnable variant, against the reference block in double, which reads the weights with decoders of its own. On failure the reason names the kernel to blame, found by
/// swapping one kernel at a time to `scalar`. In a child process.
///
/// The bound on each output is calibrated, not derived: with M = the largest |input or output| of the sample, n = n_embd and
/// D = how far the reference's outputs move at most when its inputs do by half of a last bit, F32 and F16 weights:
/// 32 sqrt(n) (2^-24 M + D), and 2^-8 M more where keys and values are kept as F16, of which a difference in the last bit can move one by
/// 2^-11; with quantized weights among them: (2^-6 + 64 sqrt(n) 2^-24) M, since it can move an activation to the next of 127 steps. D is what a narrow row of nearly equal elements needs: without it a sample in
/// some 5,000 failed that was right.
Verdict check_block(const Cpu& cpu, const BlockCheckOptions& options);

}  // namespace assay
