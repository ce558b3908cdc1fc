#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "reference/formats.h"

namespace reference {

/// y = w x + b, in double. w is row-major, rows x cols.
struct Linear {
  size_t rows = 0, cols = 0;
  std::vector<double> w;
  std::vector<double> b;
  /// What the activations are rounded to first, in float: part of what a matrix product with weights of some formats means.
  Activations activations = Activations::as_they_are;
  bool rounds_activations() const { return activations != Activations::as_they_are; }

  std::vector<double> apply(const double* x) const;
};

struct LayerNorm {
  std::vector<double> w, b;
  double eps = 1e-5;
  std::vector<double> apply(const double* x) const;
};

/// One GPT-2 block (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3):
/// x += proj(attention(qkv(ln1(x)))); x += down(gelu(up(ln2(x)))).
struct Gpt2Block {
  size_t n_embd = 0, n_head = 0;
  LayerNorm ln1, ln2;
  Linear qkv, proj, up, down;  ///< qkv: rows are q, k, v, n_embd each

  bool rounds_activations() const {
    return qkv.rounds_activations() || proj.rounds_activations() || up.rounds_activations() ||
           down.rounds_activations();
  }
};

/// Keys and values of the positions seen so far, n_embd doubles each.
struct KvCache {
  std::vector<double> k, v;
};

/// Runs `tokens` rows of n_embd doubles through the block in place; the cache grows by `tokens`.
void forward(const Gpt2Block& block, std::vector<double>& x, size_t tokens, KvCache& cache);

struct Gpt2 {
  size_t n_vocab = 0, n_ctx = 0, n_embd = 0;
  std::vector<double> token_embd;     ///< n_vocab rows of n_embd
  std::vector<double> position_embd;  ///< n_ctx rows of n_embd
  std::vector<Gpt2Block> blocks;
  LayerNorm output_norm;
  Linear output;  ///< n_vocab x n_embd
};

/// Logits after the last of `tokens`; `caches` (one for each block) hold the earlier ones, `past` of them.
std::vector<double> forward(const Gpt2& model, const std::vector<int32_t>& tokens, size_t past,
                            std::vector<KvCache>& caches);

/// A tensor as it lies in a model file.
struct RawTensor {
  uint32_t type;             ///< GGUF's number; see reference/formats.h
  std::vector<uint64_t> ne;  ///< elements in each dimension, ne[0]: of a row
  std::span<const std::byte> bytes;
};

/// By name, as GGUF's files of GPT-2 models have them: "token_embd.weight", "blk.0.attn_qkv.weight" and so on.
using RawTensors = std::map<std::string, RawTensor>;

/// What the tensors do not say themselves.
struct Gpt2Hyperparameters {
  size_t n_ctx = 0, n_embd = 0, n_head = 0, n_ff = 0, n_layer = 0;
  double eps = 0;
};

/// The block whose tensors' names begin with `prefix` ("blk.0."), and the whole model: names mapped, weights decoded and
/// shapes checked here, by nothing of what is judged. Throws std::invalid_argument naming the tensor that is missing or does
/// not fit.
Gpt2Block gpt2_block(const RawTensors& tensors, const std::string& prefix, const Gpt2Hyperparameters& sizes);
Gpt2 gpt2(const RawTensors& tensors, const Gpt2Hyperparameters& sizes);

}  // namespace reference
