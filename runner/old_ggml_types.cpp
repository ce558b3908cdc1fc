#include "runner/old_ggml_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "harness/runtime/error.h"
#include "kernels/formats/format.h"

namespace assay {
namespace {

constexpr size_t kCodeBytes = 16;  // of a block of 32 codes of 4 bits, the lower bits of Q5's among them

constexpr TensorType of_2023(uint32_t number) { return static_cast<TensorType>(only_in_2023(number)); }
constexpr TensorType of_today(uint32_t number) { return static_cast<TensorType>(number); }

constexpr OldType kF32 = {"F32", 1, 4, OldLayout::same, TensorType::f32};
constexpr OldType kF16 = {"F16", 1, 2, OldLayout::same, TensorType::f16};
constexpr OldType kQ4_0InPlanes = {"Q4_0 in planes", 32, 20, OldLayout::planes, of_2023(2)};
constexpr OldType kQ4_1InPlanes = {"Q4_1 in planes", 32, 24, OldLayout::planes, of_2023(3)};

/// By the number of the type: none where the name is nullptr.
using Types = std::array<OldType, 9>;

// From the first blocks on. Q4_2 to Q8_0 came between 18 and 28 April 2023, with ggjt v1.
constexpr Types kPairs = {{kF32,
                           kF16,
                           {"Q4_0", 32, 20, OldLayout::same, of_2023(2)},
                           {"Q4_1", 32, 24, OldLayout::same, of_2023(3)},
                           {"Q4_2", 16, 10, OldLayout::sixteen_with_scale, TensorType::f32},
                           {"Q4_3", 16, 12, OldLayout::sixteen_with_minimum, TensorType::f32},
                           {"Q5_0", 32, 22, OldLayout::pairs_to_halves, of_today(6)},
                           {"Q5_1", 32, 24, OldLayout::pairs_to_halves, of_today(7)},
                           {"Q8_0", 32, 36, OldLayout::same, of_2023(8)}}};

// ggjt v2, from 12 May 2023 on: the order of codes that all formats have today.
constexpr Types kHalves = {{kF32,
                            kF16,
                            {"Q4_0", 32, 20, OldLayout::halves_to_pairs, of_2023(2)},
                            {"Q4_1", 32, 24, OldLayout::halves_to_pairs, of_2023(3)},
                            {},
                            {},
                            {"Q5_0", 32, 22, OldLayout::same, of_today(6)},
                            {"Q5_1", 32, 24, OldLayout::same, of_today(7)},
                            {"Q8_0", 32, 36, OldLayout::same, of_2023(8)}}};

// ggjt v3, from 19 May 2023 on: what GGUF has.
constexpr std::array<OldType, 15> kOfGguf = {{kF32,
                                              kF16,
                                              {"Q4_0", 32, 18, OldLayout::same, of_today(2)},
                                              {"Q4_1", 32, 20, OldLayout::same, of_today(3)},
                                              {},
                                              {},
                                              {"Q5_0", 32, 22, OldLayout::same, of_today(6)},
                                              {"Q5_1", 32, 24, OldLayout::same, of_today(7)},
                                              {"Q8_0", 32, 34, OldLayout::same, of_today(8)},
                                              {},
                                              {"Q2_K", 256, 84, OldLayout::same, of_today(10)},
                                              {"Q3_K", 256, 110, OldLayout::same, of_today(11)},
                                              {"Q4_K", 256, 144, OldLayout::same, of_today(12)},
                                              {"Q5_K", 256, 176, OldLayout::same, of_today(13)},
                                              {"Q6_K", 256, 210, OldLayout::same, of_today(14)}}};

using Codes = std::array<uint8_t, 32>;

Codes codes_of_pairs(const uint8_t* bytes) {
  Codes codes;
  for (size_t i = 0; i < kCodeBytes; ++i) {
    codes[2 * i] = bytes[i] & 15;
    codes[2 * i + 1] = bytes[i] >> 4;
  }
  return codes;
}

Codes codes_of_halves(const uint8_t* bytes) {
  Codes codes;
  for (size_t i = 0; i < kCodeBytes; ++i) {
    codes[i] = bytes[i] & 15;
    codes[16 + i] = bytes[i] >> 4;
  }
  return codes;
}

/// A block whose codes come last, after numbers that stay.
void reorder_block(const OldType& type, uint8_t* to, const uint8_t* from) {
  const size_t numbers = type.bytes - kCodeBytes;
  std::memcpy(to, from, numbers);
  const bool to_pairs = type.layout == OldLayout::halves_to_pairs;
  const Codes codes = to_pairs ? codes_of_halves(from + numbers) : codes_of_pairs(from + numbers);
  for (size_t i = 0; i < kCodeBytes; ++i) {
    const size_t low = to_pairs ? 2 * i : i;
    const size_t high = to_pairs ? 2 * i + 1 : 16 + i;
    to[numbers + i] = static_cast<uint8_t>(codes[low] | codes[high] << 4);
  }
}

/// The planes of Q4_1 are minima, scales, codes; its blocks begin with the scale.
void blocks_of_planes(const OldType& type, uint8_t* to, const uint8_t* from, size_t blocks) {
  const size_t numbers = (type.bytes - kCodeBytes) / 4;
  for (size_t b = 0; b < blocks; ++b) {
    uint8_t* const block = to + b * type.bytes;
    for (size_t i = 0; i < numbers; ++i) {
      std::memcpy(block + 4 * i, from + 4 * ((numbers - 1 - i) * blocks + b), 4);
    }
    std::memcpy(block + 4 * numbers, from + 4 * numbers * blocks + b * kCodeBytes, kCodeBytes);
  }
}

constexpr uint32_t kNan = 0x7fc00000;

bool is_no_number(uint16_t half) { return (half & 0x7c00) == 0x7c00; }

/// An fp16 that is a number, in units of 2^-24, of which each is a multiple.
int64_t units_of_half(uint16_t half) {
  const int64_t fraction = half & 0x3ff;
  const unsigned exponent = half >> 10 & 31;
  const int64_t units = exponent == 0 ? fraction : (fraction | 0x400) << (exponent - 1);
  return (half & 0x8000) != 0 ? -units : units;
}

/// The float nearest to so many units: exact where they have 24 bits at most.
uint32_t float_bits_of_units(int64_t units) {
  const uint32_t bits = bits_of_float(static_cast<float>(units));
  return units == 0 ? bits : bits - (24u << 23);
}

/// Weights of a block of 16 as floats: of Q4_2 d * (code - 8), which is exact; of Q4_3 d * code + m, rounded once. NaN where d or m is no
/// number.
void floats_of_sixteen(const OldType& type, uint8_t* to, const uint8_t* from) {
  const bool has_minimum = type.layout == OldLayout::sixteen_with_minimum;
  if (is_no_number(read_u16(from)) || (has_minimum && is_no_number(read_u16(from + 2)))) {
    for (size_t i = 0; i < 16; ++i) {
      write_u32(to + 4 * i, kNan);
    }
    return;
  }
  const int64_t d = units_of_half(read_u16(from));
  const int64_t offset = has_minimum ? units_of_half(read_u16(from + 2)) : -8 * d;
  for (size_t i = 0; i < 16; ++i) {
    const int64_t code = from[type.bytes - 8 + i / 2] >> (i % 2 * 4) & 15;
    write_u32(to + 4 * i, float_bits_of_units(d * code + offset));
  }
}

/// What scales of models are between: 0, or 2^-30 to 2^7. A float of arbitrary bits is one in 7 times.
bool is_scale(const std::byte* p) {
  const uint32_t bits = read_u32(reinterpret_cast<const uint8_t*>(p));
  return bits == 0 || (bits >= (127u - 30) << 23 && bits < (127u + 7) << 23);
}

bool is_minimum(const std::byte* p) {
  const uint32_t magnitude = read_u32(reinterpret_cast<const uint8_t*>(p)) & 0x7fffffff;
  return magnitude == 0 || (magnitude >= (127u - 30) << 23 && magnitude < (127u + 10) << 23);
}

/// Counts what may be a scale or a minimum in either reading of some rows of a tensor.
struct Evidence {
  size_t numbers = 0, as_blocks = 0, as_planes = 0;

  void add_row(const std::byte* row, size_t blocks, bool has_minimum) {
    const size_t bytes = has_minimum ? 24 : 20;
    for (size_t b = 0; b < blocks; ++b) {
      ++numbers;
      as_blocks += is_scale(row + b * bytes);
      as_planes += is_scale(row + 4 * (has_minimum ? blocks + b : b));
      if (has_minimum) {
        ++numbers;
        as_blocks += is_minimum(row + b * bytes + 4);
        as_planes += is_minimum(row + 4 * b);
      }
    }
  }
};

bool lies_in_planes(const std::vector<OldFile>& parts, uint32_t type) {
  constexpr uint64_t kRows = 8;  // of a tensor: an embedding has rows of zeros
  Evidence evidence;
  for (const OldFile& part : parts) {
    for (const OldTensor& tensor : part.tensors) {
      for (uint64_t i = 0; tensor.type == type && i < std::min(kRows, tensor.rows); ++i) {
        const uint64_t row = i * (tensor.rows / std::min(kRows, tensor.rows));
        const uint64_t row_bytes = tensor.data.size() / tensor.rows;
        evidence.add_row(tensor.data.data() + row * row_bytes, tensor.cols / 32, type == 3);
      }
    }
  }
  const bool in_planes = evidence.as_planes > evidence.as_blocks;
  if (4 * std::max(evidence.as_planes, evidence.as_blocks) < 3 * evidence.numbers) {
    throw InputError(
        fmt::format("{}: its Q4_{} matrices have no sound scales, neither as blocks nor as planes: of {} numbers {} "
                    "and {} are such "
                    "as models have; re-download the model",
                    parts[0].path, type - 2, evidence.numbers, evidence.as_blocks, evidence.as_planes));
  }
  return in_planes;
}

}  // namespace

const OldType* find_old_type(OldContainer container, uint32_t version, uint32_t number, OldPlanes planes) {
  if ((number == 2 && planes.q4_0) || (number == 3 && planes.q4_1)) {
    return number == 2 ? &kQ4_0InPlanes : &kQ4_1InPlanes;
  }
  const bool is_first = container != OldContainer::ggjt;
  const std::span<const OldType> types = is_first       ? std::span(kPairs).first(4)
                                         : version == 1 ? std::span<const OldType>(kPairs)
                                         : version == 2 ? std::span<const OldType>(kHalves)
                                                        : std::span<const OldType>(kOfGguf);
  return number < types.size() && types[number].name != nullptr ? &types[number] : nullptr;
}

OldPlanes find_planes(const std::vector<OldFile>& parts) {
  if (parts[0].container != OldContainer::ggml) {
    return {};
  }
  return {lies_in_planes(parts, 2), lies_in_planes(parts, 3)};
}

void lay_out_row(const OldType& type, std::byte* to, const std::byte* from, uint64_t cols) {
  auto* out = reinterpret_cast<uint8_t*>(to);
  const auto* in = reinterpret_cast<const uint8_t*>(from);
  const size_t blocks = cols / type.elements;
  switch (type.layout) {
    case OldLayout::same:
      std::memcpy(out, in, old_row_bytes(type, cols));
      return;
    case OldLayout::planes:
      blocks_of_planes(type, out, in, blocks);
      return;
    case OldLayout::halves_to_pairs:
    case OldLayout::pairs_to_halves:
      for (size_t b = 0; b < blocks; ++b) {
        reorder_block(type, out + b * type.bytes, in + b * type.bytes);
      }
      return;
    case OldLayout::sixteen_with_scale:
    case OldLayout::sixteen_with_minimum:
      for (size_t b = 0; b < blocks; ++b) {
        floats_of_sixteen(type, out + b * 64, in + b * type.bytes);
      }
      return;
  }
}

}  // namespace assay
