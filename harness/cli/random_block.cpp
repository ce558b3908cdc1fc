#include "harness/cli/random_block.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "harness/cli/verify.h"
#include "kernels/formats/format.h"

namespace assay {

RandomBlock::RandomBlock(Rng& rng) {
  const bool q1 = rng.below(4) == 0;
  sizes_.n_layer = 1;
  sizes_.n_vocab = 1;
  sizes_.n_ctx = 64;
  sizes_.eps = 1e-5f;
  sizes_.n_head = 1 + rng.below(4);
  sizes_.n_embd = q1 ? 128 * (1 + rng.below(2)) : sizes_.n_head * (1 + rng.below(rng.below(4) == 0 ? 64 : 20));
  if (q1) {
    sizes_.n_head = size_t{1} << rng.below(4);
  }
  sizes_.n_ff = q1 ? sizes_.n_embd * (1 + rng.below(4)) : 1 + rng.below(4 * sizes_.n_embd);
  const size_t n = sizes_.n_embd;
  const size_t ff = sizes_.n_ff;
  for (const char* norm : {"attn_norm", "ffn_norm"}) {
    vector(std::string(norm) + ".weight", n, rng, 1);
    vector(std::string(norm) + ".bias", n, rng, 0);
  }
  linear("attn_qkv", 3 * n, n, q1, rng);
  linear("attn_output", n, n, q1, rng);
  linear("ffn_up", ff, n, q1, rng);
  linear("ffn_down", n, ff, q1, rng);
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
  auto& bytes = bytes_of(name, type, std::move(ne));
  for (size_t i = 0; i < tensors_[name].n_elements; ++i) {
    const float v = mean + deviation * rng.normal();
    if (type == TensorType::f16) {
      // What these bytes mean is for both readers to say; here they only have to be plausible weights.
      const uint16_t half = float_to_half(v);
      std::memcpy(bytes.data() + 2 * i, &half, sizeof half);
    } else {
      std::memcpy(bytes.data() + 4 * i, &v, sizeof v);
    }
  }
}

void RandomBlock::vector(const std::string& name, size_t n, Rng& rng, float mean) {
  const TensorType type = rng.below(8) == 0 ? TensorType::f16 : TensorType::f32;  // F16 is rare in files, and allowed
  floats(name, type, {n}, rng, mean, 0.2f);
}

void RandomBlock::linear(const std::string& name, size_t rows, size_t cols, bool may_be_q1, Rng& rng) {
  vector(name + ".bias", rows, rng, 0);
  if (!may_be_q1 || rng.below(4) == 0) {
    const TensorType type = rng.below(2) == 0 ? TensorType::f16 : TensorType::f32;
    floats(name + ".weight", type, {cols, rows}, rng, 0, 1.0f / std::sqrt(static_cast<float>(cols)));
    return;
  }
  auto& bytes = bytes_of(name + ".weight", TensorType::q1_0, {cols, rows});
  for (auto& b : bytes) {
    b = static_cast<std::byte>(rng.next());
  }
  for (size_t i = 0; i < bytes.size(); i += 18) {
    const auto d = static_cast<uint16_t>(0x2800 + rng.below(0x800));  // fp16 2^-5 .. 2^-3
    std::memcpy(bytes.data() + i, &d, 2);
  }
}

}  // namespace assay
