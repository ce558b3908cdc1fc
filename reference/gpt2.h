#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace reference {

/// y = w x + b, in double. w is row-major, rows x cols.
struct Linear {
  size_t rows = 0, cols = 0;
  std::vector<double> w;
  std::vector<double> b;
  /// The activations are first rounded to Q8_0, in float, as the contract of quantize_q8_0 says: part of what a Q1_0
  /// matrix product means.
  bool q8_activations = false;

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

}  // namespace reference
