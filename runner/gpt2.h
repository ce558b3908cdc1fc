#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "harness/runtime/dispatch.h"
#include "kernels/add_f32/kernel.h"
#include "runner/block.h"
#include "runner/gguf.h"
#include "runner/linear.h"
#include "runner/thread_pool.h"
#include "runner/weights.h"

namespace assay {

/// Sizes of a GPT-2 model, from the metadata of its file.
struct Gpt2Sizes {
  size_t n_vocab;  ///< tokens; the embedding may have more rows, which pad it
  size_t n_ctx, n_embd, n_head, n_ff, n_layer;
  float eps;

  /// Throws InputError naming the file and the key for sizes that do not fit together or are over what a GPT-2 has by far.
  static Gpt2Sizes read(const GgufFile& file);
  size_t head_size() const { return n_embd / n_head; }
  BlockSizes block() const;
};

/// A GPT-2 model over dispatched kernels. Not thread-safe: one conversation at a time.
class Gpt2 {
 public:
  /// `file` must outlive the model. `threads`: as ThreadPool takes them. Throws InputError for a file that is no GPT-2 or is inconsistent.
  Gpt2(const GgufFile& file, Dispatch& dispatch, unsigned threads);

  /// Runs `tokens` after those already in the cache; returns the n_vocab logits after the last one. Throws InputError if
  /// they do not fit the context, or a token is outside the vocabulary.
  std::span<const float> eval(std::span<const int32_t> tokens);

  /// Forgets everything but the weights.
  void reset() { past_ = 0; }

  size_t past() const { return past_; }
  const Gpt2Sizes& sizes() const { return sizes_; }

  /// Tokens that run through the layers at once: JIT code is generated for each number of tokens, so there are few.
  static constexpr size_t kBatch = 32;

 private:
  const GgufFile* file_;
  Gpt2Sizes sizes_;
  ThreadPool pool_;
  const Tensor *token_embd_, *position_embd_;
  Dequantizer token_row_, position_row_;
  Attention attention_;
  std::vector<std::unique_ptr<Block>> blocks_;
  size_t output_rows_;  // n_vocab and what pads it
  std::unique_ptr<Linear> output_;
  std::unique_ptr<Arena> weights_, cache_;
  Norm output_norm_;
  Bound<add_f32_fn> add_;
  std::vector<float> x_, position_, normed_, logits_;
  size_t past_ = 0;
};

}  // namespace assay
