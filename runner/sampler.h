#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "harness/runtime/rng.h"

namespace assay {

struct SamplerOptions {
  float temperature = 0;  ///< >= 0, finite; 0: the most probable token, always
  int32_t top_k = 0;      ///< >= 0: only the k most probable tokens; 0: all
  float top_p = 1;        ///< (0, 1]: only the most probable tokens that together reach p; 1: all
  uint64_t seed = 0;
};

/// y[i] = softmax(scale * x)[i], i in [0, n), with y == x allowed: the contract of kernel
/// softmax_f32.
using SoftmaxFn = std::function<void(float* y, const float* x, float scale, size_t n)>;

/// Chooses the next token. With the same options and the same probabilities it draws the same
/// tokens on every machine; probabilities of different softmax variants differ in their last bits.
class Sampler {
 public:
  /// Throws InputError that names the flag for an option outside its range.
  Sampler(const SamplerOptions& options, SoftmaxFn softmax);

  /// A token in [0, logits.size()). Of equal logits, the lowest token ranks first. A logit of -Inf
  /// is a token that is never chosen. Throws InputError for no logits, a NaN or +Inf, or all -Inf.
  int32_t sample(std::span<const float> logits);

 private:
  void choose_candidates(std::span<const float> logits, int32_t best);
  int32_t draw(std::span<const float> logits);

  SamplerOptions options_;
  SoftmaxFn softmax_;
  Rng rng_;
  std::vector<int32_t> tokens_;       ///< candidates, in ascending order
  std::vector<float> probabilities_;  ///< of the candidates
};

}  // namespace assay
