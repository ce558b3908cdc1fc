#include <fmt/format.h>

#include <cmath>

#include "harness/runtime/error.h"
#include "runner/gpt2.h"

namespace assay {

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
  const Tensor& embedding = file.tensor("token_embd.weight");
  s.n_vocab = embedding.ne[1];
  if (s.n_embd % s.n_head != 0) {
    throw InputError(fmt::format("{}: gpt2.embedding_length {} is not a multiple of gpt2.attention.head_count {}",
                                 file.path(), s.n_embd, s.n_head));
  }
  if (!std::isfinite(s.eps) || s.eps <= 0) {
    throw InputError(
        fmt::format("{}: gpt2.attention.layer_norm_epsilon is {}; it must be finite and over 0", file.path(), s.eps));
  }
  return s;
}

float Gpt2Sizes::attention_scale() const { return 1.0f / std::sqrt(static_cast<float>(head_size())); }

}  // namespace assay
