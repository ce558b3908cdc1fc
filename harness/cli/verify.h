#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "reference/transformer.h"
#include "runner/gguf.h"
#include "runner/model.h"

namespace assay {

/// The tensor as it lies in the file.
reference::RawTensor raw_tensor(const Tensor& tensor);

/// A model beside the reference, which makes its own model of the file: it shares the reader of the container with the
/// runner, which finds keys and tensors by name, but neither the sizes, nor the mapping of names, nor a decoder.
class Verification {
 public:
  /// Throws InputError naming the file if the reference cannot make a model of it. `keeps_halves`: keys and values are kept in F16, else in
  /// F32. `n_ctx`: positions of the run's context, by which some models turn heads in another way; 0: all that the model was trained for.
  /// `gelu_by_tanh`: of an architecture that has it by erf.
  explicit Verification(const GgufFile& file, bool keeps_halves = false, size_t n_ctx = 0, bool gelu_by_tanh = false);
  /// As a run of these sizes has it.
  Verification(const GgufFile& file, const ModelSizes& sizes)
      : Verification(file, sizes.block.cache == CacheType::f16, sizes.n_ctx, sizes.block.gelu_by_tanh) {}

  /// The same tokens through the reference: `logits` are what the runner says after the last of them.
  void compare(std::span<const int32_t> tokens, std::span<const float> logits);

  /// Whether in every step the most probable token agreed, and every logit was within the bound.
  ///
  /// The bound is calibrated, not derived: with M = the largest |logit| of the step,
  /// (n_layer + 1) * (8 sqrt(n_embd) * 2^-24 + 2^-6 if activations are rounded to Q8_0 + 2^-10 if keys and values are to F16) * M,
  /// since a difference in the last bit can move such an activation to the next of 127 steps, and a key to the next of 2^11. The
  /// shipped model, its F16 and its Q1_0 form reach 0.04 of it on scalar, x87, SSE and AVX2 variants; the most probable token alone
  /// is a poor judge: with attn_norm and ffn_norm of a block exchanged it is the same in all steps, and the logits are 4,000
  /// bounds off.
  bool passed() const { return agreed_ == steps_ && worst_over_bound_ <= 1; }

  /// One line for people.
  std::string summary() const;

  /// The reference's logits of the last step.
  std::span<const double> wanted() const { return wanted_; }

  double worst_over_bound() const { return worst_over_bound_; }
  size_t steps() const { return steps_; }
  size_t agreed() const { return agreed_; }

 private:
  reference::Model model_;
  size_t vocabulary_;
  std::vector<reference::KvCache> caches_;
  double bound_over_largest_;
  size_t past_ = 0;
  std::vector<double> wanted_;
  double worst_ = 0, worst_over_bound_ = 0, largest_ = 0;
  size_t steps_ = 0, agreed_ = 0;
};

}  // namespace assay
