#include <stdint.h>
#include <string.h>

#include <utility>

#include "kernels/formats/format.h"
#include "kernels/matmul/kernel.h"
#include "kernels/matmul/layout.h"

extern "C" matmul_fn matmul_scalar;

// The innermost loops run over neighbours in memory, so that the compiler (auto_v2 .. auto_v4) can keep them in the lanes of vectors:
// the 64 bytes of a vector of codes, with the activations repeated for each row, and the four sums of a row meet once for each of
// its scales; or, of the layout of one bit, the rows, whose bits are words as their sums are.
namespace {

#ifndef LAYOUT_u1
/// What four products and more of each row add up to.
struct RowSums {
  int32_t products[kVector] = {};

  [[maybe_unused]] int32_t of_row(size_t r) const {
    const int32_t* p = products + kGroup * r;
    return p[0] + p[1] + p[2] + p[3];
  }
};

/// The codes of group kGroupNumber of a chunk, or of a vector of trits. The number is a constant, for shifts by a constant.
template <size_t kGroupNumber>
inline void codes_of_group(uint8_t* codes, const uint8_t* from) {
#if LAYOUT_TRITS
  constexpr uint8_t kPowers[kTritGroups] = {1, 3, 9, 27, 81};
  for (size_t i = 0; i < kVector; ++i) {
    const auto rest = static_cast<uint8_t>(from[i] * kPowers[kGroupNumber]);
    codes[i] = static_cast<uint8_t>(rest * 3 >> 8);
  }
#else
  constexpr size_t kLowPlace = kGroupNumber * kLowBits % 8;
  constexpr size_t kHighPlace = kGroupNumber * kHighBits % 8;
  const uint8_t* low = from + kGroupNumber * kLowBits / 8 * kVector;
  [[maybe_unused]] const uint8_t* high = from + (kLowVectors + kGroupNumber * kHighBits / 8) * kVector;
  for (size_t i = 0; i < kVector; ++i) {
    codes[i] = low[i] >> kLowPlace & ((1 << kLowBits) - 1);
    if (kHighBits != 0) {
      codes[i] = static_cast<uint8_t>(codes[i] | (high[i] >> kHighPlace & ((1 << kHighBits) - 1)) << kLowBits);
    }
#if LAYOUT_TABLE
    codes[i] = kTable[codes[i]];
#endif
  }
#endif
}

/// Adds the products of the groups kFirst.. of a chunk, or of a vector of trits; x has the activations of all of it.
template <size_t kFirst, size_t... kNumbers>
inline void add_groups(RowSums& sums, const uint8_t* from, const int8_t* x, std::index_sequence<kNumbers...>) {
  const auto add_group = [&](const uint8_t* codes, const int8_t* four) {
    int8_t repeated[kVector];
    for (size_t r = 0; r < kPanel; ++r) {
      memcpy(repeated + kGroup * r, four, kGroup);
    }
    for (size_t i = 0; i < kVector; ++i) {
      sums.products[i] += codes[i] * repeated[i];
    }
  };
  uint8_t codes[kVector];
  ((codes_of_group<kFirst + kNumbers>(codes, from), add_group(codes, x + kGroup * (kFirst + kNumbers))), ...);
}
template <size_t kFirst, size_t kCount>
inline void add_groups(RowSums& sums, const uint8_t* from, const int8_t* x) {
  add_groups<kFirst>(sums, from, x, std::make_index_sequence<kCount>());
}

#endif

inline int32_t sum_of(const int8_t* x, size_t n) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += x[i];
  }
  return sum;
}

#ifdef LAYOUT_u1
/// The sum of the activations whose bits are set in two bytes of a row, where x[0] is that of the lowest bit. It fits an int16.
inline uint16_t masked_sum(uint16_t bits, const uint16_t* x) {
  uint16_t sum = 0;
#pragma GCC unroll 16
  for (int bit = 0; bit < 16; ++bit) {
    const uint16_t value = x[4 * (bit % 8) + bit / 8];  // loaded whatever the bit: a select, no branch
    sum = static_cast<uint16_t>(sum + ((bits & (1 << bit)) != 0 ? value : 0));
  }
  return sum;
}

/// The integers of 32 columns, one for each row: twice the activations whose bits are set, less all.
inline void multiply(int32_t* totals, const uint8_t* codes, const uint8_t*, const int8_t* x) {
  uint16_t words[kChunk];
  for (size_t i = 0; i < kChunk; ++i) {
    words[i] = static_cast<uint16_t>(x[i]);
  }
  uint16_t bits[2][kPanel];
  for (size_t r = 0; r < kPanel; ++r) {
    bits[0][r] = read_u16(codes + kGroup * r);
    bits[1][r] = read_u16(codes + kGroup * r + 2);
  }
  uint16_t set[kPanel];
  for (size_t r = 0; r < kPanel; ++r) {
    set[r] = static_cast<uint16_t>(masked_sum(bits[0][r], words) + masked_sum(bits[1][r], words + 2));
  }
  const int32_t all = sum_of(x, kChunk);
  for (size_t r = 0; r < kPanel; ++r) {
    totals[r] = 2 * static_cast<int16_t>(set[r]) - all;
  }
}
#elif LAYOUT_SUB_SCALES
/// Integer scale number `i` of a row, or its minimum: taken from both of a pair, which lie beside those of the next row.
inline int32_t sub_scale(const uint8_t* scales, size_t i, size_t r) {
  const auto byte = static_cast<uint8_t>(read_u16(scales + kSubScalesAt + i / 2 * kUnit + 2 * r) >> i % 2 * 8);
  return kSubMinimaAt == kSubScalesAt ? byte & 15 : static_cast<int8_t>(byte);
}
[[maybe_unused]] inline int32_t sub_minimum(const uint8_t* scales, size_t i, size_t r) {
  const auto byte = static_cast<uint8_t>(read_u16(scales + kSubMinimaAt + i / 2 * kUnit + 2 * r) >> i % 2 * 8);
  return kSubMinimaAt == kSubScalesAt ? byte >> 4 : byte;
}

/// The integers of a block, one for each row.
inline void multiply(int32_t* totals, const uint8_t* codes, const uint8_t* scales, const int8_t* x) {
  memset(totals, 0, kPanel * sizeof *totals);
  const auto take = [&](const RowSums& sums, size_t i) {
    const int32_t start = -kZero * sum_of(x + i * kSub, kSub);
    for (size_t r = 0; r < kPanel; ++r) {
      totals[r] += sub_scale(scales, i, r) * (sums.of_row(r) + start);
    }
  };
  for (size_t chunk = 0; chunk < kColumns / kChunk; ++chunk) {
    const uint8_t* from = codes + chunk * kChunkBytes;
    RowSums sums;
    if (kSub == 32) {
      add_groups<0, 8>(sums, from, x + chunk * kChunk);
      take(sums, chunk);
      continue;
    }
    RowSums others;
    add_groups<0, 4>(sums, from, x + chunk * kChunk);
    take(sums, 2 * chunk);
    add_groups<4, 4>(others, from, x + chunk * kChunk);
    take(others, 2 * chunk + 1);
  }
}
#else
/// The integers of a block, one for each row.
inline void multiply(int32_t* totals, const uint8_t* codes, const uint8_t*, const int8_t* x) {
  RowSums sums;
#if LAYOUT_TRITS
  for (size_t v = 0; v + 1 < kTritVectors; ++v) {
    add_groups<0, kTritGroups>(sums, codes + v * kVector, x + v * kTritGroups * kGroup);
  }
  constexpr size_t kLast = kTritVectors - 1;
  add_groups<0, kColumns / kGroup - kTritGroups * kLast>(sums, codes + kLast * kVector,
                                                         x + kLast * kTritGroups * kGroup);
#else
  for (size_t chunk = 0; chunk < kXColumns / kChunk; ++chunk) {
    add_groups<0, 8>(sums, codes + chunk * kChunkBytes, x + chunk * kChunk);
  }
#endif
  const int32_t start = -kZero * sum_of(x, kXColumns);
  for (size_t r = 0; r < kPanel; ++r) {
    totals[r] = sums.of_row(r) + start;
  }
}
#endif

/// A scale or a minimum of a row.
[[maybe_unused]] inline float number_of_row(const uint8_t* numbers, size_t r) {
#ifdef LAYOUT_ue4
  return float_of_bits(static_cast<uint32_t>(read_u16(numbers + kScaleBytes * r)) << 16);
#elif LAYOUT_FLOAT_SCALES
  return float_of_bits(read_u32(numbers + kScaleBytes * r));
#else
  return half_to_float(read_u16(numbers + kScaleBytes * r));
#endif
}

#if LAYOUT_MINIMA
/// What the minima of a block add to y: a row's are times the sums of x.
inline void add_minima(float* y, const uint8_t* scales, const int8_t* x, float dx) {
  int32_t totals[kPanel];
#if LAYOUT_SUB_SCALES
  memset(totals, 0, sizeof totals);
  for (size_t i = 0; i < 2 * kPairs; ++i) {
    const int32_t sum = sum_of(x + i * kSub, kSub);
    for (size_t r = 0; r < kPanel; ++r) {
      totals[r] -= sub_minimum(scales, i, r) * sum;
    }
  }
#else
  for (int32_t& total : totals) {
    total = sum_of(x, kXColumns);
  }
#endif
  for (size_t r = 0; r < kPanel; ++r) {
    y[r] += static_cast<float>(totals[r]) * (dx * number_of_row(scales + kMinimumAt, r));
  }
}
#endif

#if LAYOUT_I8_S
/// One panel times one token: 16 floats.
void panel_times_token(float* y, const uint8_t* panel, const uint8_t* x, size_t blocks) {
  int32_t totals[kPanel] = {};
  const uint8_t* codes = x + kXHead;
  for (size_t chunk = 0; chunk < blocks * (kColumns / kChunk); ++chunk, panel += kChunkBytes, codes += kChunk) {
    int8_t activations[kChunk];
    memcpy(activations, codes, kChunk);
    int32_t here[kPanel];
    multiply(here, panel, nullptr, activations);
    for (size_t r = 0; r < kPanel; ++r) {
      totals[r] += here[r];
    }
  }
  const float d = blocks != 0 ? float_of_bits(read_u32(x)) : 0;
  for (size_t r = 0; r < kPanel; ++r) {
    y[r] = static_cast<float>(totals[r]) * d;
  }
}
#else
/// One panel times one token: 16 floats.
void panel_times_token(float* y, const uint8_t* panel, const uint8_t* x, size_t blocks) {
  const uint8_t* scales = panel + blocks * kBlockCodes;
  memset(y, 0, kPanel * sizeof(float));
  for (size_t b = 0; b < blocks; ++b, panel += kBlockCodes, scales += kBlockScales) {
    for (size_t part = 0; part < kXOfBlock; ++part, x += kXBytes) {
      int8_t activations[kXColumns];
      memcpy(activations, x + (LAYOUT_Q8_K ? 4 : 2), kXColumns);
      const float d = LAYOUT_Q8_K ? float_of_bits(read_u32(x)) : half_to_float(read_u16(x));
      int32_t totals[kPanel];
      multiply(totals, panel + part * (kBlockCodes / kXOfBlock), scales, activations);
      for (size_t r = 0; r < kPanel; ++r) {
        y[r] += static_cast<float>(totals[r]) * (d * number_of_row(scales, r));
      }
#if LAYOUT_MINIMA
      add_minima(y, scales, activations, d);
#endif
    }
  }
}

#endif

}  // namespace

extern "C" void matmul_scalar(const struct matmul_args* a) {
  const size_t blocks = a->cols / kColumns;
  const size_t token_bytes = LAYOUT_I8_S ? kXHead + a->cols : a->cols / kXColumns * kXBytes;
  for (size_t row = a->row_begin; row < a->row_end; row += kPanel) {
    const uint8_t* panel = static_cast<const uint8_t*>(a->packed) + row / kPanel * panel_bytes(blocks);
    const size_t rows = a->row_end - row < kPanel ? a->row_end - row : size_t{kPanel};
    for (size_t t = 0; t < a->tokens; ++t) {
      float sums[kPanel];
      panel_times_token(sums, panel, static_cast<const uint8_t*>(a->x) + t * token_bytes, blocks);
      float* y = a->y + t * a->ldy + row;
      for (size_t r = 0; r < rows; ++r) {
        y[r] = a->bias != NULL ? sums[r] + a->bias[row + r] : sums[r];
      }
    }
  }
}
