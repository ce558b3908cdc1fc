#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "harness/runtime/dispatch.h"
#include "kernels/add_f32/kernel.h"
#include "kernels/scale_f32/kernel.h"
#include "kernels/softcap_f32/kernel.h"
#include "runner/block.h"
#include "runner/gguf.h"
#include "runner/linear.h"
#include "runner/thread_pool.h"
#include "runner/weights.h"

namespace assay {

/// What a run asks of the context; where it says nothing, ModelSizes::read chooses.
struct ContextOptions {
  std::optional<size_t> n_ctx = {};     ///< positions
  std::optional<CacheType> cache = {};  ///< how keys and values are kept
  /// By which function the GELU is computed, where the architecture has it by erf. llama.cpp has none but tanh.
  std::optional<Gelu> gelu = {};
};

/// Sizes of a model, from the metadata of its file.
struct ModelSizes {
  size_t n_vocab = 0;  ///< tokens; the embedding may have more rows, which pad it
  size_t n_layer = 0;
  size_t n_ctx = 0;          ///< of this run
  size_t n_ctx_trained = 0;  ///< positions that the model was trained for
  BlockSizes block;          ///< of a block that sees all positions
  BlockSizes local;          ///< and of one that sees a window of them
  size_t period = 1;         ///< the last of so many blocks sees all; 0: none does
  float embedding_scale = 1;
  float logit_softcap = 0;  ///< 0: none

  /// The context is the model's, 4096 positions of it at most, and is kept in F16 where positions turn heads, else in F32, unless `options`
  /// say otherwise. Throws InputError naming the file and the key for what does not fit together, is over what a model has by far, or is
  /// not understood.
  static ModelSizes read(const GgufFile& file, const ContextOptions& options = {});

  const BlockSizes& block_of(size_t layer) const;
};

/// A model of one of architectures() over dispatched kernels. Not thread-safe: one conversation at a time.
class Model {
 public:
  /// `file` must outlive the model. `threads`: as ThreadPool takes them. Throws InputError for a file that is inconsistent, or has what the
  /// architecture does not.
  Model(const GgufFile& file, Dispatch& dispatch, unsigned threads, const ContextOptions& options = {});

  /// Runs `tokens` after those already in the cache; returns the n_vocab logits after the last one. Throws InputError if
  /// they do not fit the context, or a token is outside the vocabulary.
  std::span<const float> eval(std::span<const int32_t> tokens);

  /// The same, and `each` gets the places, from `first` on, and the logits after them.
  void eval(std::span<const int32_t> tokens, size_t first,
            const std::function<void(size_t place, std::span<const float> logits)>& each);

  /// Forgets everything but the weights and the first `tokens`, past() at most: eval goes on behind them, as if nothing else had been there.
  void rewind(size_t tokens);
  void reset() { rewind(0); }

  size_t past() const { return past_; }
  const ModelSizes& sizes() const { return sizes_; }

  unsigned threads() const { return pool_.size(); }

  /// What generation reads for each token: the packed weights, without the embedding.
  size_t weight_bytes() const { return weights_->size(); }
  /// Keys and values of the whole context.
  size_t cache_bytes() const { return cache_->size(); }

  /// Tokens that run through the layers at once: JIT code is generated for each number of tokens, so there are few.
  static constexpr size_t kBatch = 128;

 private:
  void embed(float* x, int32_t token, size_t position);
  void output(const float* x, size_t tokens);

  const GgufFile* file_;
  ModelSizes sizes_;
  ThreadPool pool_;
  const Tensor *token_embd_, *position_embd_;  // the latter is nullptr where positions turn heads
  Dequantizer token_row_;
  std::optional<Dequantizer> position_row_;
  Attention attention_;
  Workspace work_;
  std::optional<Attention> attention_in_window_;
  std::vector<std::unique_ptr<Block>> blocks_;
  size_t output_rows_;  // n_vocab and what pads it
  std::unique_ptr<Linear> output_;
  std::unique_ptr<Arena> weights_, cache_;
  Norm output_norm_;
  Bound<add_f32_fn> add_;
  Bound<scale_f32_fn> scale_;
  Bound<softcap_f32_fn> softcap_;
  std::vector<float> x_, position_, normed_, logits_;
  size_t past_ = 0;
};

}  // namespace assay
