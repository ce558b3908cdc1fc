#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/runtime/dispatch.h"
#include "kernels/add_f32/kernel.h"
#include "kernels/attention_f32/kernel.h"
#include "kernels/gelu_f32/kernel.h"
#include "kernels/layer_norm_f32/kernel.h"
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
  float attention_scale() const;
};

/// Where a layer's tensors come from: a model file, or weights made for a check.
struct TensorSource {
  std::string name;  ///< of the file, for errors
  std::function<const Tensor&(const std::string& tensor)> tensor;
  /// Called for bytes of a matrix once they are packed, by any thread: they are not needed any more.
  Release release = [](std::span<const std::byte>) {};
};

/// The variant of attention for each number of tokens and of keys. All layers share it. It is looked up again only where the keys
/// become twice as many.
class Attention {
 public:
  Attention(size_t head_size, Dispatch& dispatch)
      : kernel_(&find_kernel("attention_f32")), head_size_(head_size), dispatch_(&dispatch) {}

  const Bound<attention_f32_fn>& operator()(size_t tokens, size_t past);
  /// For one thread.
  size_t scratch_bytes(size_t tokens, size_t past) const { return kernel_->scratch_bytes({tokens, past, head_size_}); }

 private:
  const Kernel* kernel_;
  size_t head_size_;
  Dispatch* dispatch_;
  std::map<std::pair<size_t, size_t>, Bound<attention_f32_fn>> known_;
};

/// One transformer block over dispatched kernels, with its part of the KV cache.
class Gpt2Layer {
 public:
  /// `prefix`: "blk.0." and so on. `attention` must outlive the layer, and the tensors of `source` load().
  Gpt2Layer(const TensorSource& source, const std::string& prefix, const Gpt2Sizes& sizes, Attention& attention,
            Dispatch& dispatch);

  /// What load takes of its two arenas.
  size_t weight_bytes() const;
  size_t cache_bytes() const;
  /// Packs the weights by all threads. Once, before forward; the arenas must outlive the layer.
  void load(const TensorSource& source, Arena& weights, Arena& cache, ThreadPool& pool);

  /// x: `tokens` rows of n_embd floats, updated in place; `past` tokens are in the cache.
  void forward(float* x, size_t tokens, size_t past, ThreadPool& pool);

 private:
  struct Norm {
    std::vector<float> w, b;
  };
  void attend(const float* qkv, float* out, size_t tokens, size_t past, ThreadPool& pool);

  Gpt2Sizes sizes_;
  Norm ln1_, ln2_;
  Linear qkv_, proj_, up_, down_;
  Bound<layer_norm_f32_fn> norm_;
  Bound<add_f32_fn> add_;
  Bound<gelu_f32_fn> gelu_;
  Attention* attention_;
  // For each head n_ctx rows, side by side: with all heads' rows mixed, one query of 12 heads of 128 takes 1.3 times as long
  // from L3 (measured on a Xeon of model 207).
  float *keys_ = nullptr, *values_ = nullptr;
  std::vector<float> normed_, wide_, heads_, delta_;
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
  std::vector<float> norm_w_, norm_b_;
  Attention attention_;
  std::vector<std::unique_ptr<Gpt2Layer>> layers_;
  size_t output_rows_;  // n_vocab and what pads it
  std::unique_ptr<Linear> output_;
  std::unique_ptr<Arena> weights_, cache_;
  Bound<layer_norm_f32_fn> norm_;
  Bound<add_f32_fn> add_;
  std::vector<float> x_, position_, normed_, logits_;
  size_t past_ = 0;
};

}  // namespace assay
