#include "harness/cli/random_block.h"

#include <algorithm>
#include <cmath>

#include "harness/cli/verify.h"
#include "harness/runtime/formats.h"
#include "harness/runtime/registry.h"

namespace assay {

RandomBlock::RandomBlock(Rng& rng) {
  std::vector<const weight_format*> quantized;
  for (const weight_format* format : weight_formats()) {
    if (format->elements > 1) {
      quantized.push_back(format);
    }
  }
  const weight_format* format = rng.below(3) == 0 ? quantized[rng.below(quantized.size())] : nullptr;
  sizes_.n_layer = 1;
  sizes_.n_vocab = 1;
  sizes_.n_ctx = 64;
  sizes_.eps = 1e-5f;
  sizes_.n_head = 1 + rng.below(4);
  const size_t unit =
      format != nullptr ? std::max<size_t>(format->elements, 128) : 1;  // wide: see compare_block's bound
  sizes_.n_embd =
      format != nullptr ? unit * (1 + rng.below(2)) : sizes_.n_head * (1 + rng.below(rng.below(4) == 0 ? 64 : 20));
  if (format != nullptr) {
    sizes_.n_head = size_t{1} << rng.below(4);
  }
  sizes_.n_ff = format != nullptr ? sizes_.n_embd * (1 + rng.below(4)) : 1 + rng.below(4 * sizes_.n_embd);
  const size_t n = sizes_.n_embd;
  const size_t ff = sizes_.n_ff;
  for (const char* norm : {"attn_norm", "ffn_norm"}) {
    vector(std::string(norm) + ".weight", n, rng, 1);
    vector(std::string(norm) + ".bias", n, rng, 0);
  }
  linear("attn_qkv", 3 * n, n, format, rng);
  linear("attn_output", n, n, format, rng);
  linear("ffn_up", ff, n, format, rng);
  linear("ffn_down", n, ff, format, rng);
}

TensorSource RandomBlock::source() const {
  return {"random block", [this](const std::string& name) -> const Tensor& { return tensors_.at(name); }};
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
  t.data = bytes;
  return bytes;
}

void RandomBlock::floats(const std::string& name, TensorType type, std::vector<uint64_t> ne, Rng& rng, float mean,
                         float deviation) {
  // What these bytes mean is for both readers to say; here they only have to be plausible weights.
  const TensorTypeInfo& info = tensor_type_info(type);
  auto& bytes = bytes_of(name, type, std::move(ne));
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

void RandomBlock::linear(const std::string& name, size_t rows, size_t cols, const weight_format* quantized, Rng& rng) {
  vector(name + ".bias", rows, rng, 0);
  constexpr TensorType kFloats[] = {TensorType::f32, TensorType::f16, TensorType::bf16};
  TensorType type = kFloats[rng.below(3)];
  if (quantized != nullptr && rng.below(4) != 0) {
    type = static_cast<TensorType>(quantized->gguf_type);
  }
  floats(name + ".weight", type, {cols, rows}, rng, 0, 1.0f / std::sqrt(static_cast<float>(cols)));
}

}  // namespace assay
