#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace assay {

/// Which elements of a head turn together: none, neighbours, or those half of the turned part apart.
enum class Turn { none, neighbours, halves };

/// What becomes of the wider layer: a function of up, or a function of gate times up.
enum class Activation { gelu, gelu_erf, swiglu, geglu, relu2_glu };

/// Blocks that see a window of positions, and no more, where a file says nothing else.
struct Windows {
  size_t period;         ///< the last of so many blocks sees all positions; 0: none does
  size_t window;         ///< positions; 0: all
  double rope_base = 0;  ///< theirs, whose positions nothing stretches; 0: they turn as the others do
};

/// What Gemma's generations differ in, where a file says nothing else.
struct Gemma {
  float softcap, logit_softcap;  ///< 0: none
  size_t layers_of_27b;          ///< of the one model whose scores have another scale: 1 / sqrt(n_embd / n_head)
};

/// What tells the blocks of one architecture from those of another.
struct Architecture {
  const char* name;       ///< general.architecture of GGUF
  bool root_mean_square;  ///< norms; else they are layer norms, and all matrices have biases
  bool fused_qkv;         ///< one matrix attn_qkv
  Turn turn;
  Activation activation;
  bool fused_gate = false;  ///< one matrix ffn_up: the rows of the gate, and as many of up
  bool head_norms = false;  ///< of each head of queries and keys, before it turns
  bool sub_norms = false;   ///< before the output matrix of attention, and the way down; its matrices may have a scale
  bool post_norms = false;  ///< behind them
  bool may_tie_output = true;           ///< the embedding may be the output matrix, too
  std::optional<Windows> windows = {};  ///< none: all blocks see all positions
  std::optional<Gemma> gemma = {};

  bool is_gated() const { return activation != Activation::gelu && activation != Activation::gelu_erf; }
};

/// The kernel that does it.
const char* kernel_of(Activation activation);

std::span<const Architecture> architectures();
/// Throws InputError that lists the names.
const Architecture& find_architecture(std::string_view name);

/// How a GELU is computed: as Hendrycks and Gimpel 2016 define it, or by their approximation.
enum class Gelu { erf, tanh };

/// How the keys and values of a context are kept.
enum class CacheType { f32, f16, q8_0 };

/// YaRN, for contexts longer than a model was first trained for (Peng et al. 2023, section 3.4): of the pairs of a head, those that turn
/// often keep their frequencies, those that turn seldom have them divided by the factor, and those between have something of both.
struct Yarn {
  double extrapolation = 0;  ///< how much of it is done; 0: nothing, so that all are divided
  double beta_fast = 32;     ///< what turns so many times in the first context, or more, is kept
  double beta_slow = 1;      ///< and what turns so many times, or less, is divided
  size_t n_ctx = 0;          ///< positions of that context

  /// Of pair i of `rotated` / 2: 1 where its frequency is kept, 0 where it is divided.
  double kept(size_t i, size_t rotated, double base) const;
};

/// By how much what turns grows for a factor of YaRN, so that scores stay as sharp as they were: m(1) / m(multiplier), or m(1) for a
/// multiplier of 0, where m(x) = 1 + 0.1 x ln(factor), and 1 for a factor of 1 or less.
double yarn_magnitude(double factor, double multiplier);

/// The sizes of a block.
struct BlockSizes {
  const Architecture* architecture = nullptr;
  /// GELU by tanh, where the architecture has it by erf.
  bool gelu_by_tanh = false;
  size_t n_ctx = 0, n_embd = 0, n_head = 0, n_ff = 0;
  size_t n_head_kv = 0;  ///< heads of keys and values; n_head is a multiple of it
  size_t head_size = 0;
  float eps = 0;
  size_t rotated = 0;  ///< of a head: what turns
  double rope_base = 10000;
  double rope_factor = 1;            ///< by which all frequencies are divided
  std::vector<float> rope_factors;   ///< and by which each is, of each pair; none: 1
  Yarn yarn;                         ///< which of them the one factor does not divide
  float rope_magnitude = 1;          ///< of what turns
  float scale = 0;                   ///< of scores; 0: 1 / sqrt(head_size)
  float softcap = 0;                 ///< of attention; 0: none
  size_t window = 0;                 ///< positions that a query sees; 0: all
  bool is_parallel = false;          ///< the feed-forward part is of what attention was of
  CacheType cache = CacheType::f32;  ///< f32 has neither softcap nor window, nor parts
  /// Threads share the keys of a long cache by parts of so many, whose results are joined: a power of two.
  size_t keys_of_part = 1024;

  Activation activation() const { return gelu_by_tanh ? Activation::gelu : architecture->activation; }
  float attention_scale() const;
  /// Radians for a position, of each pair that turns.
  std::vector<double> frequencies() const;
  /// Whether all positions of the context can be turned by them: the domain of rope_f32.
  bool can_turn() const;
};

}  // namespace assay
