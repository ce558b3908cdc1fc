#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <string_view>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "runner/model.h"

namespace assay {
namespace {

constexpr size_t kLargest = 1u << 20;   // of a size
constexpr size_t kUsualContext = 4096;  // positions, of a model that has more
constexpr size_t kLayersOfGemma2With27B = 46;

/// The keys of a file that begin with the name of its architecture. What nobody asked for may change the results: see refuse_unknown.
class Keys {
 public:
  explicit Keys(const GgufFile& file) : file_(&file), prefix_(file.string("general.architecture") + ".") {}

  std::string name(std::string_view key) const { return prefix_ + std::string(key); }

  /// Of a key that may hold one value for each block, which are all the same.
  std::optional<size_t> find_size(std::string_view key) {
    const std::string name = asked(key);
    const auto* value = file_->find(name);
    if (value == nullptr || !std::holds_alternative<GgufArray>(*value)) {
      return file_->find_u32(name);
    }
    const std::vector<int32_t> of_blocks = *file_->find_i32s(name);
    if (of_blocks.empty() || of_blocks[0] < 0 || std::ranges::count(of_blocks, of_blocks[0]) != std::ssize(of_blocks)) {
      refuse(key, "differs from block to block", "the runner's blocks are all alike; give another model");
    }
    return of_blocks[0];
  }
  size_t size(std::string_view key) {
    const auto found = find_size(key);
    return checked(key, found ? *found : file_->u32(name(key)));  // which says that it is missing
  }
  size_t size_or(std::string_view key, size_t otherwise) {
    const auto found = find_size(key);
    return found ? checked(key, *found) : otherwise;
  }
  float number_or(std::string_view key, float otherwise) {
    const float value = file_->find_f32(asked(key)).value_or(otherwise);
    if (!std::isfinite(value) || value < 0) {
      refuse(key, fmt::format("is {}", value), "it must be finite and not negative; convert the model again");
    }
    return value;
  }
  float positive(std::string_view key) {
    const float value = file_->f32(asked(key));
    if (!std::isfinite(value) || value <= 0) {
      refuse(key, fmt::format("is {}", value), "it must be finite and over 0; convert the model again");
    }
    return value;
  }
  bool boolean_or(std::string_view key, bool otherwise) { return file_->find_boolean(asked(key)).value_or(otherwise); }
  std::string string_or(std::string_view key, const char* otherwise) {
    const std::string* const found = file_->find_string(asked(key));
    return found != nullptr ? *found : otherwise;
  }
  /// The key may be there, with what it is anyway.
  template <class T>
  void expect(std::string_view key, T found, T usual) {
    if (found != usual) {
      refuse(key, fmt::format("is {}", found),
             fmt::format("the runner's {} has {}; give another model", prefix_.substr(0, prefix_.size() - 1), usual));
    }
  }
  /// Whatever it says changes no result.
  void ignore(std::string_view key) { asked(key); }

  [[noreturn]] void refuse(std::string_view key, const std::string& what, const std::string& remedy) const {
    throw InputError(fmt::format("{}: {} {}; {}", file_->path(), name(key), what, remedy));
  }
  void refuse_unknown() const {
    for (const auto& [key, value] : file_->metadata()) {
      if (key.starts_with(prefix_) && !asked_.contains(key)) {
        throw InputError(
            fmt::format("{}: the runner does not know what {} changes; without it the answers might be wrong; "
                        "give another model",
                        file_->path(), quote(key)));
      }
    }
  }

 private:
  std::string asked(std::string_view key) {
    std::string full = name(key);
    asked_.insert(full);
    return full;
  }
  size_t checked(std::string_view key, size_t value) const {
    if (value == 0 || value > kLargest) {
      refuse(key, fmt::format("is {}", value), fmt::format("expected 1 to {}: convert the model again", kLargest));
    }
    return value;
  }

  const GgufFile* file_;
  std::string prefix_;
  std::set<std::string> asked_;
};

/// Tokens of the vocabulary. Its matrices may have more rows: many models are padded to a multiple of 64 or 128.
size_t vocabulary(const GgufFile& file, Keys& keys) {
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

void read_heads(Keys& keys, BlockSizes& b) {
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
  if (b.architecture->fused_qkv) {  // which says nothing else
    keys.expect("attention.head_count_kv", b.n_head_kv, b.n_head);
    keys.expect("attention.key_length", b.head_size, b.n_embd / b.n_head);
  }
  b.scale = keys.number_or("attention.scale", 0);
}

/// How positions turn heads.
void read_turn(const GgufFile& file, Keys& keys, BlockSizes& b) {
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
  b.rope_base = static_cast<double>(keys.number_or("rope.freq_base", 10000));
  if (b.rope_base < 1) {
    keys.refuse("rope.freq_base", fmt::format("is {}", b.rope_base), "it is 1 or more: convert the model again");
  }
  const std::string scaling = keys.string_or("rope.scaling.type", "linear");
  const float factor = keys.number_or("rope.scaling.factor", keys.number_or("rope.scale_linear", 1));
  if (scaling == "linear") {
    b.rope_factor = factor != 0 ? static_cast<double>(factor) : 1;
  } else if (scaling != "none") {
    keys.refuse("rope.scaling.type", fmt::format("is {}", quote(scaling)),
                "the runner knows none and linear; give another model");
  }
  keys.expect("rope.scaling.attn_factor", keys.number_or("rope.scaling.attn_factor", 1), 1.0f);
  keys.ignore("rope.scaling.original_context_length");  // that is for the other types
  keys.ignore("rope.scaling.finetuned");
  if (const Tensor* const factors = file.find_tensor("rope_freqs.weight"); factors != nullptr) {
    if (factors->type != TensorType::f32 || factors->n_dims != 1 || factors->ne[0] != b.rotated / 2) {
      throw InputError(
          fmt::format("{}: tensor 'rope_freqs.weight' is no vector of {} F32 numbers; convert the model again",
                      file.path(), b.rotated / 2));
    }
    b.rope_factors.resize(b.rotated / 2);
    std::memcpy(b.rope_factors.data(), factors->data.data(), factors->data.size());
    if (!std::ranges::all_of(b.rope_factors, [](float f) { return std::isfinite(f) && f > 0; })) {
      throw InputError(fmt::format(
          "{}: tensor 'rope_freqs.weight' has a number that is not finite and over 0; convert the model again",
          file.path()));
    }
  }
}

/// The context of this run.
void choose_context(const GgufFile& file, Keys& keys, const ContextOptions& options, ModelSizes& s) {
  s.n_ctx_trained = keys.size("context_length");
  s.n_ctx = options.n_ctx.value_or(std::min(s.n_ctx_trained, kUsualContext));
  if (s.n_ctx == 0 || s.n_ctx > s.n_ctx_trained) {
    throw InputError(fmt::format("{}: a context of {} was asked for; the model was trained for {}: take 1 to {}",
                                 file.path(), s.n_ctx, s.n_ctx_trained, s.n_ctx_trained));
  }
  BlockSizes& b = s.block;
  b.n_ctx = s.n_ctx;
  const bool plain = b.softcap == 0 && s.window == 0;
  b.cache = options.cache.value_or(b.architecture->turn == Turn::none ? CacheType::f32 : CacheType::f16);
  if (b.cache == CacheType::f32 && !plain) {
    throw InputError(fmt::format(
        "{}: a cache in F32 has neither windows nor soft caps, and the model has: take f16 or q8_0", file.path()));
  }
  if (b.cache == CacheType::q8_0 && b.head_size % 32 != 0) {
    throw InputError(fmt::format("{}: a cache in Q8_0 needs heads of whole blocks of 32, and they have {}: take f16",
                                 file.path(), b.head_size));
  }
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
  Keys keys(file);
  b.n_embd = keys.size("embedding_length");
  b.n_ff = keys.size("feed_forward_length");
  s.n_layer = keys.size("block_count");
  s.n_vocab = vocabulary(file, keys);
  b.eps = keys.positive(b.architecture->root_mean_square ? "attention.layer_norm_rms_epsilon"
                                                         : "attention.layer_norm_epsilon");
  read_heads(keys, b);
  read_turn(file, keys, b);
  b.is_parallel = keys.boolean_or("use_parallel_residual", false);
  if (std::string_view(b.architecture->name) != "gptneox") {
    keys.expect("use_parallel_residual", b.is_parallel, false);
  }
  if (b.architecture->post_norms) {  // Gemma 2
    s.embedding_scale = std::sqrt(static_cast<float>(b.n_embd));
    s.window = keys.size_or("attention.sliding_window", 4096);
    b.softcap = keys.number_or("attn_logit_softcapping", 50);
    s.logit_softcap = keys.number_or("final_logit_softcapping", 30);
    if (s.n_layer == kLayersOfGemma2With27B && b.scale == 0) {
      b.scale = 1 / std::sqrt(static_cast<float>(b.n_embd) / static_cast<float>(b.n_head));
    }
  }
  choose_context(file, keys, options, s);
  if (!b.architecture->post_norms) {
    if (const size_t window = keys.find_size("attention.sliding_window").value_or(0); window != 0 && window < s.n_ctx) {
      keys.refuse("attention.sliding_window", fmt::format("is {}", window),
                  fmt::format("the runner's {} sees all positions: take a context of at most that, -c {}",
                              b.architecture->name, window));
    }
  }
  if (s.window >= s.n_ctx) {
    s.window = 0;  // it sees everything
  }
  keys.expect("expert_count", keys.find_size("expert_count").value_or(0), size_t{0});
  keys.ignore("expert_used_count");
  keys.expect("attention.causal", keys.boolean_or("attention.causal", true), true);
  keys.expect("logit_scale", keys.number_or("logit_scale", 1), 1.0f);
  keys.expect("embedding_scale", keys.number_or("embedding_scale", 1), 1.0f);
  keys.expect("residual_scale", keys.number_or("residual_scale", 1), 1.0f);
  keys.ignore("tensor_data_layout");
  keys.refuse_unknown();
  return s;
}

BlockSizes ModelSizes::block_of(size_t layer) const {
  BlockSizes sizes = block;
  sizes.window = layer % 2 == 0 ? window : 0;
  return sizes;
}

}  // namespace assay
