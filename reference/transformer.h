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

/// Layer normalisation, or root mean square normalisation, which has no b. With no w it changes nothing.
struct Norm {
  std::vector<double> w, b;
  double eps = 1e-5;
  bool root_mean_square = false;
  std::vector<double> apply(const double* x) const;
};

/// Which elements of a head turn together (Su et al. 2021, "RoFormer", section 3.2): neighbours, or those half of the turned part apart.
enum class Pairs { none, neighbours, halves };

/// What becomes of the wider layer: a function of `up`, or a function of `gate` times `up`.
enum class Activation { gelu_tanh, gelu_erf, silu_gated, gelu_tanh_gated, relu2_gated };

/// One transformer block: of GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3), and with its
/// norms, gates and turns of its heirs.
///   a = x + post_attn_norm(proj(attn_sub_norm(attention(attn_norm(x)))))
///   y = a + post_ffn_norm(down(ffn_sub_norm(activation(gate(ffn_norm(a)), up(ffn_norm(a))))))
/// or, where both run in parallel (GPT-NeoX), the second is of x, and both are added to x.
struct Block {
  size_t n_embd = 0, n_head = 0;
  size_t n_head_kv = 0;  ///< heads of keys and values: each serves n_head / n_head_kv neighbouring heads of queries
  size_t head_size = 0;
  Norm attn_norm, ffn_norm;
  Norm q_norm, k_norm;                 ///< of each head, before it turns
  Norm attn_sub_norm, ffn_sub_norm;    ///< before proj and down
  Norm post_attn_norm, post_ffn_norm;  ///< behind them
  Linear q, k, v, proj, gate, up, down;
  Pairs pairs = Pairs::none;
  std::vector<double> frequencies;  ///< of each pair: radians for a position
  double magnitude = 1;             ///< of what turns
  double attention_scale = 0;
  double softcap = 0;  ///< of scores: softcap * tanh(score / softcap); 0: none
  size_t window = 0;   ///< positions that a query sees, its own among them; 0: all
  Activation activation = Activation::gelu_tanh;
  bool is_parallel = false;
  bool keeps_halves = false;  ///< keys and values are rounded to F16 when they are kept

  bool rounds_activations() const;
};

/// Keys and values of the positions seen so far, n_head_kv * head_size doubles each.
struct KvCache {
  std::vector<double> k, v;
};

/// Runs `tokens` rows of n_embd doubles through the block in place; the cache grows by `tokens`.
void forward(const Block& block, std::vector<double>& x, size_t tokens, KvCache& cache);

struct Model {
  size_t n_vocab = 0, n_ctx = 0, n_embd = 0;
  std::vector<double> token_embd;     ///< n_vocab rows of n_embd
  double embedding_scale = 1;         ///< of those rows
  std::vector<double> position_embd;  ///< n_ctx rows of n_embd; none where positions turn heads
  std::vector<Block> blocks;
  Norm output_norm;
  Linear output;             ///< n_vocab x n_embd
  double logit_softcap = 0;  ///< as Block::softcap
};

/// Logits after the last of `tokens`; `caches` (one for each block) hold the earlier ones, `past` of them.
std::vector<double> forward(const Model& model, const std::vector<int32_t>& tokens, size_t past,
                            std::vector<KvCache>& caches);

/// A tensor as it lies in a model file.
struct RawTensor {
  uint32_t type;             ///< GGUF's number; see reference/formats.h
  std::vector<uint64_t> ne;  ///< elements in each dimension, ne[0]: of a row
  std::span<const std::byte> bytes;
  double scale = 1;  ///< of a type whose tensors have one: of all weights
};

/// By name, as GGUF's files have them: "token_embd.weight", "blk.0.attn_qkv.weight" and so on.
using RawTensors = std::map<std::string, RawTensor>;

/// How positions turn heads, where no tensor says more: pair i of n by base^(-i / n) radians for a position.
struct Rope {
  double base = 10000;
  double factor = 1;     ///< divides them
  double magnitude = 1;  ///< of what turns
  /// YaRN (Peng et al. 2023): pairs that turn `often` times or more in the first `first_context` positions are not divided, those that turn
  /// `seldom` times or less are, and those between in part. `yarn` says how much of all that is done: 0 nothing, 1 all.
  double yarn = 0, often = 32, seldom = 1;
  size_t first_context = 0;
  bool is_long = false;       ///< of LongRoPE's two tensors of factors, the one for long contexts is taken
  bool takes_factors = true;  ///< of tensors
};

/// What the tensors do not say themselves.
struct Hyperparameters {
  std::string architecture = "gpt2";  ///< general.architecture
  size_t n_ctx = 0, n_embd = 0, n_head = 0, n_ff = 0, n_layer = 0;
  double eps = 0;
  // What GPT-2 has no choice of. 0: n_head; n_embd / n_head; head_size.
  size_t n_head_kv = 0, head_size = 0, rotated = 0;
  Rope rope = {};
  double attention_scale = 0;  ///< 0: 1 / sqrt(head_size)
  double softcap = 0, logit_softcap = 0;
  size_t window = 0;      ///< positions; 0: all
  size_t full_every = 0;  ///< in a model the last of so many blocks has no window; 0: each has
  bool has_window_rope = false;
  Rope window_rope = {};  ///< and blocks that have one turn heads in this way
  double embedding_scale = 1;
  bool is_parallel = false;
  bool keeps_halves = false;
  bool gelu_by_tanh = false;  ///< where the architecture has it by erf: else refused
};

/// The block whose tensors' names begin with `prefix` ("blk.0."), and a whole model: names mapped, weights decoded and
/// shapes checked here, by nothing of what is judged. Where the tensors have "rope_freqs.weight", each frequency is divided by its
/// number, else by that of "rope_factors_long.weight" or "rope_factors_short.weight", where they are. Architectures: gpt2, llama, qwen2,
/// qwen3, gptneox, bitnet, bitnet-b1.58, gemma2, gemma3, phi3.
/// Throws std::invalid_argument naming the architecture that is unknown or has no such GELU, or the tensor that is missing or does not fit.
Block block_of(const RawTensors& tensors, const std::string& prefix, const Hyperparameters& sizes);
Model model_of(const RawTensors& tensors, const Hyperparameters& sizes);

}  // namespace reference
