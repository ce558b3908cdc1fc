#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "harness/runtime/dispatch.h"
#include "kernels/add_f32/kernel.h"
#include "kernels/add_layer_norm_f32/kernel.h"
#include "kernels/add_rms_norm_f32/kernel.h"
#include "kernels/attention/kernel.h"
#include "kernels/attention_f32/kernel.h"
#include "kernels/join_attention_f32/kernel.h"
#include "kernels/layer_norm_f32/kernel.h"
#include "kernels/rms_norm_f32/kernel.h"
#include "kernels/rope_f32/kernel.h"
#include "runner/architecture.h"
#include "runner/gguf.h"
#include "runner/linear.h"
#include "runner/thread_pool.h"
#include "runner/weights.h"

namespace assay {

/// Where a block's tensors come from: a model file, or weights made for a check.
struct TensorSource {
  std::string name;  ///< of the file, for errors
  std::function<const Tensor&(const std::string& tensor)> tensor;
  /// nullptr where there is none of that name.
  std::function<const Tensor*(const std::string& tensor)> find;
  /// Called for bytes of a matrix once they are packed, by any thread: they are not needed any more.
  Release release = [](std::span<const std::byte>) {};
};

/// The variant of attention for each number of tokens and of keys. All blocks share it. It is looked up again only where the keys
/// become twice as many.
class Attention {
 public:
  struct Part {
    size_t begin, end;  ///< keys
    float* stats;       ///< of each token and head of the group two floats, as attention_args has them
  };

  Attention(const BlockSizes& sizes, Dispatch& dispatch);

  /// Of one head of keys and values, which lie side by side from `keys` and `values` on: the group of query heads at q, whose tokens are
  /// ldq floats apart, to out, ldo apart. `past` of the keys are before the first token. `of`: of a part of
  /// the keys alone.
  void run(float* out, size_t ldo, const float* q, size_t ldq, const uint8_t* keys, const uint8_t* values,
           size_t tokens, size_t past, void* scratch, const Part* of = nullptr);
  /// Looks the variant up, so that threads may run it.
  void prepare(size_t tokens, size_t past);
  /// For one thread.
  size_t scratch_bytes(size_t tokens, size_t past) const { return kernel_->scratch_bytes(shape(tokens, past)); }
  /// Bytes of a position of a head.
  size_t row_bytes() const { return row_bytes_; }

 private:
  Shape shape(size_t tokens, size_t past) const;

  struct Step {
    Bound<attention_f32_fn> of_floats;
    Bound<attention_fn> of_format;
  };

  BlockSizes sizes_;
  float scale_;
  size_t group_, row_bytes_;
  const Kernel* kernel_;
  Dispatch* dispatch_;
  std::map<std::pair<size_t, size_t>, Step> known_;
  const Step* step_ = nullptr;  // that was prepared last
};

/// A norm of rows of one width, with its weights; of one that a block lacks nothing is called.
class Norm {
 public:
  enum class Of { row, sum };  ///< of a row as it is, or of one to which another is added first

  Norm() = default;
  Norm(const TensorSource& source, const std::string& name, size_t n, const BlockSizes& sizes, Dispatch& dispatch,
       Of of = Of::row);

  bool exists() const { return n_ != 0; }
  /// Of a row; y may be x.
  void operator()(float* y, const float* x) const;
  /// Of a sum: x += delta, and y is its norm.
  void add(float* y, float* x, const float* delta) const;

 private:
  size_t n_ = 0;
  float eps_ = 0;
  std::vector<float> w_, b_;
  Bound<layer_norm_f32_fn> layer_;
  Bound<rms_norm_f32_fn> rms_;
  Bound<add_layer_norm_f32_fn> add_layer_;
  Bound<add_rms_norm_f32_fn> add_rms_;
};

/// What a block computes between its input and its result, by tokens. Blocks run one after another, so that one serves all of a model: of
/// 128 tokens of a LLaMA of 1B it takes 11 MB.
struct Workspace {
  std::vector<uint32_t> positions;
  std::vector<float> normed, rows, heads, gates, wide, delta, fed;
  std::vector<float> parts, stats;  ///< of attention by parts
};

/// One transformer block over dispatched kernels, with its part of the KV cache.
class Block {
 public:
  /// `prefix`: "blk.0." and so on. `attention` and `work` must outlive the block, and the tensors of `source` load().
  Block(const TensorSource& source, const std::string& prefix, const BlockSizes& sizes, Attention& attention,
        Workspace& work, Dispatch& dispatch);

  /// What load takes of its two arenas.
  size_t weight_bytes() const;
  size_t cache_bytes() const;
  /// Packs the weights by all threads. Once, before forward; the arenas must outlive the block.
  void load(const TensorSource& source, Arena& weights, Arena& cache, ThreadPool& pool);

  /// x: `tokens` rows of n_embd floats, updated in place; `past` tokens are in the cache.
  void forward(float* x, size_t tokens, size_t past, ThreadPool& pool);

 private:
  struct Part {
    std::unique_ptr<Linear> matrix;
    size_t at;  ///< where its rows begin in a row of queries, keys and values
  };
  size_t width() const { return (sizes_.n_head + 2 * sizes_.n_head_kv) * sizes_.head_size; }
  size_t up_rows() const { return sizes_.architecture->fused_gate ? 2 * sizes_.n_ff : sizes_.n_ff; }
  void attend(size_t tokens, size_t past, ThreadPool& pool);
  void attend_whole(size_t tokens, size_t past, ThreadPool& pool);
  void attend_by_parts(size_t first, size_t tokens, size_t past, ThreadPool& pool);
  void turn(size_t tokens, size_t past, ThreadPool& pool);
  void keep(size_t tokens, size_t past);
  void feed_forward(float* out, const float* x, size_t tokens, ThreadPool& pool);
  void activate(size_t tokens, ThreadPool& pool);

  BlockSizes sizes_;
  Norm attn_norm_, ffn_norm_, q_norm_, k_norm_, attn_sub_norm_, ffn_sub_norm_, post_attn_norm_, post_ffn_norm_;
  std::vector<Part> qkv_;
  std::unique_ptr<Linear> proj_, gate_, up_, down_;  // where the gate is fused, up has the rows of both
  Bound<add_f32_fn> add_;
  Bound<void(float*, const float*, size_t)> function_;                     // of up
  Bound<void(float*, const float*, const float*, size_t)> gate_function_;  // of gate, times up
  Bound<rope_f32_fn> rope_;
  Bound<void(void*, const float*, size_t)> keep_;  // floats to the cache's format
  std::vector<double> frequencies_;
  size_t rope_scratch_ = 0;
  Attention* attention_;
  Workspace* work_;
  Bound<join_attention_f32_fn> join_;
  // For each head n_ctx rows, side by side: with all heads' rows mixed, one query of 12 heads of 128 takes 1.3 times as long
  // from L3 (measured on a Xeon of model 207).
  uint8_t *keys_ = nullptr, *values_ = nullptr;
};

}  // namespace assay
