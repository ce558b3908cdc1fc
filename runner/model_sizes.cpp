#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "runner/model.h"
#include "runner/model_keys.h"

namespace assay {
namespace {

constexpr size_t kUsualContext = 4096;  // positions, of a model that has more

/// Tokens of the vocabulary. Its matrices may have more rows: many models are padded to a multiple of 64 or 128.
size_t vocabulary(const GgufFile& file, ModelKeys& keys) {
  const uint64_t rows = file.tensor("token_embd.weight").ne[1];
  const auto* tokens = file.find_strings("tokenizer.ggml.tokens");
  const uint64_t n = tokens == nullptr ? rows : tokens->size();
  for (const char* name : {"token_embd.weight", "output.weight"}) {
    if (const Tensor* matrix = file.find_tensor(name); matrix != nullptr && matrix->ne[1] < n) {
      throw InputError(
          fmt::format("{}: tensor '{}' has {} rows for the {} tokens of tokenizer.ggml.tokens: the file "
                      "is inconsistent; re-convert the model",
                      file.path(), name, matrix->ne[1], n));
    }
  }
  if (const auto said = keys.find_size("vocab_size"); said && *said != n && *said != rows) {
    throw InputError(
        fmt::format("{}: {} is {}, but there are {} tokens and {} rows of the embedding: the "
                    "file is inconsistent; re-convert the model",
                    file.path(), keys.name("vocab_size"), *said, n, rows));
  }
  return n;
}

void read_heads(ModelKeys& keys, BlockSizes& b) {
  b.n_head = keys.size("attention.head_count");
  b.n_head_kv = keys.size_or("attention.head_count_kv", b.n_head);
  if (b.n_head % b.n_head_kv != 0) {
    keys.refuse("attention.head_count_kv", fmt::format("is {}", b.n_head_kv),
                fmt::format("{} is {}, which is no multiple of it: convert the model again",
                            keys.name("attention.head_count"), b.n_head));
  }
  const bool says_size = keys.find_size("attention.key_length").has_value();
  if (!says_size && b.n_embd % b.n_head != 0) {
    keys.refuse("embedding_length", fmt::format("is {}", b.n_embd),
                fmt::format("it is no multiple of {} {}: convert the model again", keys.name("attention.head_count"),
                            b.n_head));
  }
  b.head_size = keys.size_or("attention.key_length", b.n_embd / b.n_head);
  keys.expect("attention.value_length", keys.size_or("attention.value_length", b.head_size), b.head_size);
  if (b.architecture->fused_qkv && !b.architecture->root_mean_square) {  // GPT-2 and GPT-NeoX know nothing else
    keys.expect("attention.head_count_kv", b.n_head_kv, b.n_head);
    keys.expect("attention.key_length", b.head_size, b.n_embd / b.n_head);
  }
  b.scale = keys.number_or("attention.scale", 0);
}

double base_or(ModelKeys& keys, std::string_view key, double otherwise) {
  const std::optional<float> found = keys.find_number(key);
  const double base = found ? static_cast<double>(*found) : otherwise;
  if (base < 1) {
    keys.refuse(key, fmt::format("is {}", base), "it is 1 or more: convert the model again");
  }
  return base;
}

std::vector<float> factors_of(const GgufFile& file, const Tensor& tensor, size_t pairs) {
  if (tensor.type != TensorType::f32 || tensor.n_dims != 1 || tensor.ne[0] != pairs) {
    throw InputError(fmt::format("{}: tensor '{}' is no vector of {} F32 numbers; convert the model again", file.path(),
                                 tensor.name, pairs));
  }
  std::vector<float> factors(pairs);
  std::memcpy(factors.data(), tensor.data.data(), tensor.data.size());
  if (!std::ranges::all_of(factors, [](float f) { return std::isfinite(f) && f > 0; })) {
    throw InputError(fmt::format("{}: tensor '{}' has a number that is not finite and over 0; convert the model again",
                                 file.path(), tensor.name));
  }
  return factors;
}

/// The factors by which frequencies are divided: LLaMA 3's, or of LongRoPE's two (Ding et al. 2024) those for contexts that are longer
/// than the first one, or for those that are not. None if there are none.
std::vector<float> read_factors(const GgufFile& file, size_t pairs, bool is_longer, bool is_longrope) {
  if (const Tensor* const all = file.find_tensor("rope_freqs.weight"); all != nullptr) {
    return factors_of(file, *all, pairs);
  }
  const bool has_any = file.find_tensor("rope_factors_long.weight") || file.find_tensor("rope_factors_short.weight");
  if (!has_any && !is_longrope) {
    return {};
  }
  const std::vector<float> of_long = factors_of(file, file.tensor("rope_factors_long.weight"), pairs);
  const std::vector<float> of_short = factors_of(file, file.tensor("rope_factors_short.weight"), pairs);
  return is_longer ? of_long : of_short;
}

/// YaRN's keys. What scores are sharpened by is the factor's doing where no key says it. "yarn_attn_factor" is all of it, as Hugging Face's
/// attention_factor is, which llama.cpp's conversion/base.py writes there.
void read_yarn(ModelKeys& keys, size_t original, BlockSizes& b) {
  b.yarn = {.extrapolation = static_cast<double>(keys.number_or("rope.scaling.yarn_ext_factor", 1)),
            .beta_fast = static_cast<double>(keys.number_or("rope.scaling.yarn_beta_fast", 32)),
            .beta_slow = static_cast<double>(keys.number_or("rope.scaling.yarn_beta_slow", 1)),
            .n_ctx = original};
  const float multiplier = keys.number_or("rope.scaling.yarn_log_multiplier", 0);
  const double usual = b.yarn.extrapolation == 0 ? 1 : yarn_magnitude(b.rope_factor, static_cast<double>(multiplier));
  b.rope_magnitude *= keys.number_or("rope.scaling.yarn_attn_factor", static_cast<float>(usual));
}

/// How positions turn heads.
void read_rope(const GgufFile& file, ModelKeys& keys, size_t n_ctx_trained, BlockSizes& b) {
  b.rotated = b.head_size;
  if (b.architecture->turn == Turn::none) {
    keys.expect("rope.dimension_count", keys.find_size("rope.dimension_count").value_or(0), size_t{0});
    return;
  }
  b.rotated = keys.size_or("rope.dimension_count", b.head_size);
  if (b.rotated > b.head_size || b.rotated % 2 != 0) {
    keys.refuse(
        "rope.dimension_count", fmt::format("is {}", b.rotated),
        fmt::format("heads have {} elements, of which an even number turns: convert the model again", b.head_size));
  }
  b.rope_base = base_or(keys, "rope.freq_base", 10000);
  const std::string scaling = keys.string_or("rope.scaling.type", "linear");
  const float factor = keys.number_or("rope.scaling.factor", keys.number_or("rope.scale_linear", 1));
  const size_t original = keys.size_or("rope.scaling.original_context_length", n_ctx_trained);
  b.rope_magnitude = keys.number_or("rope.scaling.attn_factor", 1);
  if (scaling == "linear" || scaling == "yarn") {
    b.rope_factor = factor != 0 ? static_cast<double>(factor) : 1;
  } else if (scaling == "longrope") {
    keys.expect("rope.scaling.factor", factor, 1.0f);
  } else if (scaling != "none") {
    keys.refuse("rope.scaling.type", fmt::format("is {}", quote(scaling)),
                "the runner knows none, linear, yarn and longrope; give another model");
  }
  if (scaling == "yarn") {
    read_yarn(keys, original, b);
  }
  b.rope_factors = read_factors(file, b.rotated / 2, b.n_ctx > original, scaling == "longrope");
  keys.ignore("rope.scaling.finetuned");
}

/// What Gemma adds.
void read_gemma(ModelKeys& keys, ModelSizes& s) {
  BlockSizes& b = s.block;
  const Gemma& usual = *b.architecture->gemma;
  s.embedding_scale = std::sqrt(static_cast<float>(b.n_embd));
  b.softcap = keys.number_or("attn_logit_softcapping", usual.softcap);
  s.logit_softcap = keys.number_or("final_logit_softcapping", usual.logit_softcap);
  if (s.n_layer == usual.layers_of_27b && b.scale == 0) {
    b.scale = 1 / std::sqrt(static_cast<float>(b.n_embd) / static_cast<float>(b.n_head));
  }
}

/// Which blocks see a window of positions, how many those are, and how they turn heads there.
void read_windows(ModelKeys& keys, ModelSizes& s) {
  BlockSizes& b = s.local;
  b = s.block;
  const auto& usual = b.architecture->windows;
  const size_t window = keys.find_size("attention.sliding_window").value_or(usual ? usual->window : 0);
  if (!usual) {
    if (window != 0 && window < s.n_ctx) {
      keys.refuse("attention.sliding_window", fmt::format("is {}", window),
                  fmt::format("the runner's {} sees all positions: take a context of at most that, -c {}",
                              b.architecture->name, window));
    }
    return;
  }
  size_t period = usual->period;
  if (period != 0) {
    period = keys.size_or("attention.sliding_window_pattern", period);
    if (usual->rope_base != 0) {
      b.rope_base = usual->rope_base;
      b.rope_factor = 1;
      b.rope_factors.clear();
      b.yarn = {};
      b.rope_magnitude = keys.number_or("rope.scaling.attn_factor", 1);
    }
    b.rope_base = base_or(keys, "rope.freq_base_swa", b.rope_base);
  }
  s.period = window == 0 ? 1 : period;
  b.window = s.period != 1 && window < s.n_ctx ? window : 0;  // a larger one hides nothing
}

void expect_that_heads_can_turn(const GgufFile& file, const ModelKeys& keys, const ModelSizes& s) {
  if (!s.block.can_turn() || !s.local.can_turn()) {
    throw InputError(fmt::format(
        "{}: by {}, its scaling and its factors a position turns heads by more than 2^20, or they shrink or "
        "grow by more than that: no model has such numbers; convert the model again",
        file.path(), keys.name("rope.freq_base")));
  }
}

void choose_context(const GgufFile& file, ModelKeys& keys, const ContextOptions& options, ModelSizes& s) {
  s.n_ctx_trained = keys.size("context_length");
  s.n_ctx = options.n_ctx.value_or(std::min(s.n_ctx_trained, kUsualContext));
  if (s.n_ctx == 0 || s.n_ctx > s.n_ctx_trained) {
    throw InputError(fmt::format("{}: a context of {} was asked for; the model was trained for {}: take 1 to {}",
                                 file.path(), s.n_ctx, s.n_ctx_trained, s.n_ctx_trained));
  }
  s.block.n_ctx = s.n_ctx;
}

/// How keys and values are kept.
void choose_cache(const GgufFile& file, const ContextOptions& options, ModelSizes& s) {
  BlockSizes& b = s.block;
  b.cache = options.cache.value_or(b.architecture->turn == Turn::none ? CacheType::f32 : CacheType::f16);
  if (b.cache == CacheType::f32 && (b.softcap != 0 || s.local.window != 0)) {
    throw InputError(fmt::format(
        "{}: a cache in F32 has neither windows nor soft caps, and the model has: take f16 or q8_0", file.path()));
  }
  if (b.cache == CacheType::q8_0 && b.head_size % 32 != 0) {
    throw InputError(fmt::format("{}: a cache in Q8_0 needs heads of whole blocks of 32, and they have {}: take f16",
                                 file.path(), b.head_size));
  }
  s.local.cache = b.cache;
}

/// By which function the GELU is.
void choose_gelu(const GgufFile& file, const ContextOptions& options, BlockSizes& b) {
  if (options.gelu && b.architecture->activation != Activation::gelu_erf) {
    throw InputError(fmt::format("{}: --gelu is for models whose GELU is by erf, and {} is none of them: leave it out",
                                 file.path(), b.architecture->name));
  }
  b.gelu_by_tanh = options.gelu == Gelu::tanh;
}

}  // namespace

ModelSizes ModelSizes::read(const GgufFile& file, const ContextOptions& options) {
  ModelSizes s;
  BlockSizes& b = s.block;
  try {
    b.architecture = &find_architecture(file.string("general.architecture"));
  } catch (const InputError& e) {
    throw InputError(fmt::format("{}: general.architecture: {}; give another model", file.path(), e.what()));
  }
  choose_gelu(file, options, b);
  ModelKeys keys(file);
  b.n_embd = keys.size("embedding_length");
  b.n_ff = keys.size("feed_forward_length");
  s.n_layer = keys.size("block_count");
  s.n_vocab = vocabulary(file, keys);
  b.eps = keys.positive(b.architecture->root_mean_square ? "attention.layer_norm_rms_epsilon"
                                                         : "attention.layer_norm_epsilon");
  choose_context(file, keys, options, s);
  read_heads(keys, b);
  read_rope(file, keys, s.n_ctx_trained, b);
  b.is_parallel = keys.boolean_or("use_parallel_residual", false);
  if (std::string_view(b.architecture->name) != "gptneox") {
    keys.expect("use_parallel_residual", b.is_parallel, false);
  }
  if (b.architecture->gemma) {
    read_gemma(keys, s);
  }
  read_windows(keys, s);
  choose_cache(file, options, s);
  keys.expect("expert_count", keys.find_size("expert_count").value_or(0), size_t{0});
  keys.ignore("expert_used_count");
  keys.expect("attention.causal", keys.boolean_or("attention.causal", true), true);
  keys.expect("logit_scale", keys.number_or("logit_scale", 1), 1.0f);
  keys.expect("embedding_scale", keys.number_or("embedding_scale", 1), 1.0f);
  keys.expect("residual_scale", keys.number_or("residual_scale", 1), 1.0f);
  keys.ignore("tensor_data_layout");
  keys.refuse_unknown();
  expect_that_heads_can_turn(file, keys, s);
  return s;
}

const BlockSizes& ModelSizes::block_of(size_t layer) const {
  const bool is_local = period == 0 || layer % period + 1 < period;
  return is_local ? local : block;
}

}  // namespace assay
