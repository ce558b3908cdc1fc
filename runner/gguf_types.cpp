#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstring>

#include "harness/runtime/error.h"
#include "harness/runtime/formats.h"
#include "runner/gguf.h"

namespace assay {
namespace {

constexpr uint32_t kTailOfScale = 32;  // as BitNet's converter writes it

}  // namespace

float Tensor::scale() const {
  float scale = 1;
  if (!tail.empty()) {
    std::memcpy(&scale, tail.data(), sizeof scale);
  }
  return scale;
}

std::span<const TensorTypeInfo> tensor_types() {
  static const std::vector<TensorTypeInfo> all = [] {
    std::vector<TensorTypeInfo> list;
    for (const weight_format* format : weight_formats()) {
      std::string name = format->name;
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::toupper(c); });
      list.push_back({static_cast<TensorType>(format->gguf_type), std::move(name),
                      static_cast<uint32_t>(format->elements), static_cast<uint32_t>(format->bytes),
                      has_scale_of_tensor(format) ? kTailOfScale : 0, format});
    }
    std::ranges::sort(list, {}, &TensorTypeInfo::type);
    return list;
  }();
  return all;
}

const TensorTypeInfo* find_tensor_type(uint32_t number) {
  const auto all = tensor_types();
  const auto it = std::ranges::find(all, static_cast<TensorType>(number), &TensorTypeInfo::type);
  return it == all.end() ? nullptr : &*it;
}

const TensorTypeInfo& tensor_type_info(TensorType type) {
  const TensorTypeInfo* info = find_tensor_type(static_cast<uint32_t>(type));
  if (info == nullptr) {
    throw InputError(fmt::format("tensor type {} is unknown", static_cast<uint32_t>(type)));
  }
  return *info;
}

uint64_t tensor_bytes(TensorType type, std::span<const uint64_t> ne) {
  const TensorTypeInfo& info = tensor_type_info(type);
  if (ne.empty() || ne.size() > kGgufMaxDims) {
    throw InputError(fmt::format("has {} dimensions, not 1 to {}", ne.size(), kGgufMaxDims));
  }
  if (ne[0] % info.block != 0) {
    throw InputError(
        fmt::format("rows of {} elements are not whole blocks of {} of type {}", ne[0], info.block, info.name));
  }
  uint64_t bytes = info.block_bytes;
  bool overflow = __builtin_mul_overflow(bytes, ne[0] / info.block, &bytes);
  for (size_t i = 0; i < ne.size(); ++i) {
    if (ne[i] == 0) {
      throw InputError(fmt::format("dimension {} is 0", i));
    }
    overflow = overflow || (i > 0 && __builtin_mul_overflow(bytes, ne[i], &bytes));
  }
  // ggml's own sizes are signed, and the element count of a sub-byte type is larger than its bytes.
  if (overflow || bytes / info.block_bytes > INT64_MAX / std::max(info.block, info.block_bytes)) {
    throw InputError(fmt::format("the size of its dimensions {} overflows", fmt::join(ne, " x ")));
  }
  return bytes + info.tail_bytes;
}

uint32_t gguf_alignment(const GgufValue* general_alignment) {
  if (general_alignment == nullptr) {
    return kGgufDefaultAlignment;
  }
  const auto* value = std::get_if<uint32_t>(general_alignment);
  if (value == nullptr) {
    throw InputError("is not a 32-bit unsigned integer");
  }
  if (*value < 8 || !std::has_single_bit(*value)) {
    throw InputError(fmt::format("{} is not a power of two of at least 8", *value));
  }
  return *value;
}

}  // namespace assay
