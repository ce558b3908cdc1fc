#include <fmt/format.h>

#include <cmath>
#include <string_view>
#include <utility>

#include "harness/runtime/error.h"
#include "runner/gpt2.h"

namespace assay {

namespace {

/// What other files of this architecture may say and the runner does not do: such a key must say what GPT-2 is anyway.
void refuse_other_graphs(const GgufFile& file, const Gpt2Sizes& s) {
  const std::pair<const char*, size_t> sizes[] = {
      {"gpt2.attention.head_count_kv", s.n_head},
      {"gpt2.attention.key_length", s.head_size()},
      {"gpt2.attention.value_length", s.head_size()},
      {"gpt2.attention.sliding_window", 0},
      {"gpt2.expert_count", 0},
      {"gpt2.rope.dimension_count", 0},
  };
  for (const auto& [key, value] : sizes) {
    if (const auto found = file.find_u64(key); found && *found != value) {
      throw InputError(
          fmt::format("{}: {} is {}; the runner's GPT-2 has {}: give another model", file.path(), key, *found, value));
    }
  }
  for (const char* key : {"gpt2.use_parallel_residual", "gpt2.attention.causal"}) {
    const bool usual = std::string_view(key).ends_with("causal");
    if (const auto found = file.find_boolean(key); found && *found != usual) {
      throw InputError(
          fmt::format("{}: {} is {}; the runner's GPT-2 has {}: give another model", file.path(), key, *found, usual));
    }
  }
}

/// Tokens of the vocabulary. Its matrices may have more rows: many models are padded to a multiple of 64 or 128.
size_t vocabulary(const GgufFile& file) {
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
  if (const auto said = file.find_u64("gpt2.vocab_size"); said && *said != n && *said != rows) {
    throw InputError(
        fmt::format("{}: gpt2.vocab_size is {}, but there are {} tokens and {} rows of the embedding: the "
                    "file is inconsistent; re-convert the model",
                    file.path(), *said, n, rows));
  }
  return n;
}

}  // namespace

Gpt2Sizes Gpt2Sizes::read(const GgufFile& file) {
  if (const std::string& architecture = file.string("general.architecture"); architecture != "gpt2") {
    throw InputError(
        fmt::format("{}: general.architecture is {}; the runner runs gpt2", file.path(), quote(architecture)));
  }
  constexpr uint32_t kLargest = 1u << 20;
  const auto size = [&](const char* key) -> size_t {
    const uint32_t value = file.u32(key);
    if (value == 0 || value > kLargest) {
      throw InputError(
          fmt::format("{}: {} is {}; expected 1 to {}: convert the model again", file.path(), key, value, kLargest));
    }
    return value;
  };
  Gpt2Sizes s{};
  s.n_ctx = size("gpt2.context_length");
  s.n_embd = size("gpt2.embedding_length");
  s.n_head = size("gpt2.attention.head_count");
  s.n_ff = size("gpt2.feed_forward_length");
  s.n_layer = size("gpt2.block_count");
  s.eps = file.f32("gpt2.attention.layer_norm_epsilon");
  s.n_vocab = vocabulary(file);
  if (s.n_embd % s.n_head != 0) {
    throw InputError(fmt::format("{}: gpt2.embedding_length {} is not a multiple of gpt2.attention.head_count {}",
                                 file.path(), s.n_embd, s.n_head));
  }
  if (!std::isfinite(s.eps) || s.eps <= 0) {
    throw InputError(
        fmt::format("{}: gpt2.attention.layer_norm_epsilon is {}; it must be finite and over 0", file.path(), s.eps));
  }
  refuse_other_graphs(file, s);
  return s;
}

BlockSizes Gpt2Sizes::block() const {
  return {.architecture = &find_architecture("gpt2"),
          .n_ctx = n_ctx,
          .n_embd = n_embd,
          .n_head = n_head,
          .n_ff = n_ff,
          .n_head_kv = n_head,
          .head_size = head_size(),
          .eps = eps};
}

}  // namespace assay
