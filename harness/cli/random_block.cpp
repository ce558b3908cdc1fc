#include "harness/cli/random_block.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>

#include "harness/cli/verify.h"
#include "harness/runtime/registry.h"

namespace assay {

RandomBlock::RandomBlock(Rng& rng, const Architecture& architecture) {
  std::vector<const weight_format*> quantized;
  for (const TensorTypeInfo& type : tensor_types()) {
    if (type.block > 1) {
      quantized.push_back(type.format);
    }
  }
  sizes_.architecture = &architecture;
  const weight_format* const format = rng.below(3) == 0 ? quantized[rng.below(quantized.size())] : nullptr;
  draw_sizes(rng, format);
  make(rng, format);
}

RandomBlock::RandomBlock(Rng& rng, const BlockSizes& sizes, const weight_format* format) : sizes_(sizes) {
  make(rng, format);
}

RandomBlock::RandomBlock(Rng& rng, const Architecture& architecture, const weight_format& format) {
  sizes_.architecture = &architecture;
  draw_sizes(rng, &format);
  make(rng, &format);
}

void RandomBlock::draw_sizes(Rng& rng, const weight_format* format) {
  const Architecture& a = *sizes_.architecture;
  const bool is_quantized = format != nullptr && format->elements > 1;
  const size_t unit = is_quantized ? std::max<size_t>(format->elements, 128) : 1;  // wide: see compare_block's bound
  sizes_.n_ctx = 64;
  sizes_.eps = rng.below(2) == 0 ? 1e-5f : 1e-6f;
  // Heads that turn have an even size, and those of a cache of halves are no wider than a model's.
  const size_t step = a.turn == Turn::none ? 1 : 2;
  const size_t wide = unit * (1 + rng.below(2));
  sizes_.n_head = is_quantized ? size_t{1} << rng.below(4) : 1 + rng.below(4);
  sizes_.head_size = is_quantized ? wide / sizes_.n_head : step * (1 + rng.below(rng.below(4) == 0 ? 64 : 20));
  // GPT-2 and GPT-NeoX know no other width of the heads, nor groups of them.
  sizes_.n_head_kv = sizes_.n_head;
  sizes_.n_embd = sizes_.n_head * sizes_.head_size;
  if (a.root_mean_square) {
    const size_t group = size_t{1} << rng.below(3);
    sizes_.n_head_kv = sizes_.n_head % group == 0 ? sizes_.n_head / group : 1;
    sizes_.n_embd = is_quantized ? unit * (1 + rng.below(2)) : 4 + rng.below(100);
  }
  sizes_.n_ff = is_quantized ? unit * (1 + rng.below(4)) : 1 + rng.below(4 * sizes_.n_embd);
  sizes_.rotated = a.fused_qkv && a.turn != Turn::none ? 2 * (1 + rng.below(sizes_.head_size / 2)) : sizes_.head_size;
  sizes_.rope_base = rng.below(2) == 0 ? 1e4 : 5e5;
  sizes_.rope_factor = rng.below(2) == 0 ? 1 : 4;
  sizes_.scale = rng.below(4) == 0 ? 0.25f : 0;
  sizes_.is_parallel = std::string_view(a.name) == "gptneox" && rng.below(2) == 0;
  if (a.gemma && a.gemma->softcap != 0) {
    sizes_.softcap = static_cast<float>(2 + rng.below(50));
  }
  if (a.windows) {
    sizes_.window = rng.below(2) == 0 ? 0 : 1 + rng.below(12);
  }
  if (a.turn != Turn::none && rng.below(3) == 0) {
    sizes_.yarn = {.extrapolation = 1, .n_ctx = size_t{16} << rng.below(10)};
    sizes_.rope_magnitude = 1.25f;
  }
  const bool plain = sizes_.softcap == 0 && sizes_.window == 0;
  sizes_.cache = a.turn == Turn::none || (plain && rng.below(2) == 0) ? CacheType::f32 : CacheType::f16;
  sizes_.keys_of_part = size_t{8} << rng.below(4);  // 64: all in one
}

void RandomBlock::make(Rng& rng, const weight_format* format) {
  const Architecture& a = *sizes_.architecture;
  const size_t n = sizes_.n_embd;
  const size_t ff = sizes_.n_ff;
  const size_t wide = sizes_.n_head * sizes_.head_size;
  const size_t kept = sizes_.n_head_kv * sizes_.head_size;
  const auto norm = [&](const char* name, size_t width) {
    vector(std::string(name) + ".weight", width, rng, 1);
    if (!a.root_mean_square) {
      vector(std::string(name) + ".bias", width, rng, 0);
    }
  };
  const auto matrix = [&](const char* name, size_t rows, size_t cols) {
    const bool has_bias = !a.root_mean_square || (!a.sub_norms && rng.below(3) == 0);
    linear(name, rows, cols, has_bias, format, rng);
    if (a.sub_norms && rng.below(2) == 0) {
      floats(std::string(name) + ".scale", TensorType::f32, {1}, rng, 1, 0.2f);
    }
  };
  norm("attn_norm", n);
  norm("ffn_norm", n);
  if (a.head_norms) {
    norm("attn_q_norm", sizes_.head_size);
    norm("attn_k_norm", sizes_.head_size);
  }
  if (a.sub_norms) {
    norm("attn_sub_norm", wide);
    norm("ffn_sub_norm", ff);
  }
  if (a.post_norms) {
    norm("post_attention_norm", n);
    norm("post_ffw_norm", n);
  }
  if (a.fused_qkv) {
    matrix("attn_qkv", wide + 2 * kept, n);
  } else {
    matrix("attn_q", wide, n);
    matrix("attn_k", kept, n);
    matrix("attn_v", kept, n);
  }
  matrix("attn_output", n, wide);
  if (a.is_gated() && !a.fused_gate) {
    matrix("ffn_gate", ff, n);
  }
  matrix("ffn_up", a.fused_gate ? 2 * ff : ff, n);
  matrix("ffn_down", n, ff);
}

TensorSource RandomBlock::source() const {
  return {"random block", [this](const std::string& name) -> const Tensor& { return tensors_.at(name); },
          [this](const std::string& name) {
            const auto found = tensors_.find(name);
            return found != tensors_.end() ? &found->second : nullptr;
          }};
}

reference::Hyperparameters RandomBlock::hyperparameters() const {
  const BlockSizes& s = sizes_;
  return {.architecture = s.architecture->name,
          .n_ctx = s.n_ctx,
          .n_embd = s.n_embd,
          .n_head = s.n_head,
          .n_ff = s.n_ff,
          .n_layer = 1,
          .eps = static_cast<double>(s.eps),
          .n_head_kv = s.n_head_kv,
          .head_size = s.head_size,
          .rotated = s.rotated,
          .rope = {.base = s.rope_base,
                   .factor = s.rope_factor,
                   .magnitude = static_cast<double>(s.rope_magnitude),
                   .yarn = s.yarn.extrapolation,
                   .often = s.yarn.beta_fast,
                   .seldom = s.yarn.beta_slow,
                   .first_context = s.yarn.n_ctx},
          .attention_scale = static_cast<double>(s.scale),
          .softcap = static_cast<double>(s.softcap),
          .window = s.window,
          .is_parallel = s.is_parallel,
          .keeps_halves = s.cache == CacheType::f16};
}

std::vector<std::string> RandomBlock::matrices() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors_) {
    if (tensor.n_dims == 2) {
      names.push_back(name);
    }
  }
  return names;
}

reference::RawTensors RandomBlock::raw_tensors() const {
  reference::RawTensors raw;
  for (const auto& [name, tensor] : tensors_) {
    raw[name] = raw_tensor(tensor);
  }
  return raw;
}

std::vector<std::byte>& RandomBlock::bytes_of(const std::string& name, TensorType type, std::vector<uint64_t> ne) {
  Tensor& t = tensors_[name];
  auto& bytes = data_[name];
  bytes.resize(tensor_bytes(type, ne));
  t.name = name;
  t.type = type;
  t.n_dims = static_cast<uint32_t>(ne.size());
  t.ne = {1, 1, 1, 1};
  std::ranges::copy(ne, t.ne.begin());
  t.n_elements = t.ne[0] * t.ne[1];
  const size_t tail = tensor_type_info(type).tail_bytes;
  t.data = std::span(bytes).first(bytes.size() - tail);
  t.tail = std::span(bytes).last(tail);
  return bytes;
}

void RandomBlock::floats(const std::string& name, TensorType type, std::vector<uint64_t> ne, Rng& rng, float mean,
                         float deviation) {
  // What these bytes mean is for both readers to say; here they only have to be plausible weights.
  const TensorTypeInfo& info = tensor_type_info(type);
  auto& bytes = bytes_of(name, type, std::move(ne));
  if (info.format->encode == nullptr) {  // codes of two bits, and a scale behind them
    for (auto& byte : bytes) {
      byte = static_cast<std::byte>(rng.below(3) | rng.below(3) << 2 | rng.below(3) << 4 | rng.below(3) << 6);
    }
    std::memcpy(&bytes[bytes.size() - info.tail_bytes], &deviation, sizeof deviation);
    return;
  }
  std::vector<float> values(info.block);
  // Large blocks take a search to write: from the second dozen on they repeat earlier ones, in random order.
  constexpr size_t kLarge = 256;
  constexpr size_t kDrawn = 12;
  for (size_t at = 0; at < bytes.size(); at += info.block_bytes) {
    if (const size_t earlier = at / info.block_bytes; info.block == kLarge && earlier >= kDrawn) {
      std::copy_n(&bytes[rng.below(earlier) * info.block_bytes], info.block_bytes, &bytes[at]);
      continue;
    }
    for (float& v : values) {
      v = mean + deviation * rng.normal();
    }
    info.format->encode(reinterpret_cast<uint8_t*>(&bytes[at]), values.data());
  }
}

void RandomBlock::vector(const std::string& name, size_t n, Rng& rng, float mean) {
  const TensorType type = rng.below(8) == 0 ? TensorType::f16 : TensorType::f32;  // F16 is rare in files, and allowed
  floats(name, type, {n}, rng, mean, 0.2f);
}

void RandomBlock::linear(const std::string& name, size_t rows, size_t cols, bool has_bias, const weight_format* format,
                         Rng& rng) {
  if (has_bias) {
    vector(name + ".bias", rows, rng, 0);
  }
  constexpr TensorType kFloats[] = {TensorType::f32, TensorType::f16, TensorType::bf16};
  TensorType type = kFloats[rng.below(3)];
  if (format != nullptr && rng.below(4) != 0) {
    type = static_cast<TensorType>(format->gguf_type);
  }
  floats(name + ".weight", type, {cols, rows}, rng, 0, 1.0f / std::sqrt(static_cast<float>(cols)));
}

}  // namespace assay
