// The tile of the matmul family, for any ISA of intrinsics: some tokens times some vectors of rows, over all columns. An ISA's
// file defines a struct with
//   Float, Sum            vectors of floats, and of what products of codes are summed in; kLanes rows each
//   kTokens, kVectors     of the largest tile; kVectorsOfOne: for one token
//   kPrepared             bytes of a prepared block of activations, below
//   prepare_codes         writes its part of those
//   Codes load(step, round)  the codes of kLanes rows, from their place in a step of the layout
//   Sum start(block), Sum add(sum, codes, block, round), Float value(sum, block)
//                         the products of a block: their sum from its start to its value, with the code for 0 taken off
//   zero, set1, mul, fmadd, halves, loadu, storeu, add_floats
// and calls run_tiles. A prepared block of activations: its scale as a float, the sum of its codes times -kZero as an int32,
// and the codes as `add` wants them.
#pragma once
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/formats/format.h"
#include "kernels/matmul/kernel.h"
#include "kernels/matmul/layout.h"

namespace {

// Codes are loaded and multiplied in rounds: one for each step, and of the layout of one bit one for each bit of its bytes.
enum { kRounds = LAYOUT_BITS == 1 ? 8 : kSteps, kRoundBytes = LAYOUT_BITS == 1 ? 0 : kStep };

// Of the prepared block `p`.
inline float scale_of(const uint8_t* p) {
  float d;
  memcpy(&d, p, 4);
  return d;
}
inline int32_t start_of(const uint8_t* p) {
  int32_t start;
  memcpy(&start, p + 4, 4);
  return start;
}
inline int32_t four_bytes(const uint8_t* p) {
  int32_t four;
  memcpy(&four, p, 4);
  return four;
}

inline int32_t sum_of_codes(__m128i low, __m128i high) {
  const __m128i one = _mm_set1_epi8(1);
  const __m128i pairs = _mm_add_epi16(_mm_maddubs_epi16(one, low), _mm_maddubs_epi16(one, high));
  __m128i sum = _mm_madd_epi16(pairs, _mm_set1_epi16(1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}

template <class Isa>
inline void prepare(uint8_t* to, const uint8_t* x) {
  const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + 2));
  const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + 18));
  const float d = half_to_float(read_u16(x));
  const int32_t start = -kZero * sum_of_codes(low, high);
  memcpy(to, &d, 4);
  memcpy(to + 4, &start, 4);
  Isa::prepare_codes(to + 8, low, high);
}

/// Codes as they are.
inline void keep_codes(uint8_t* to, __m128i low, __m128i high) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), low);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16), high);
}

/// For products of 16 bits: of each four columns the first and third as int16, then the second and fourth.
inline void widen_codes(uint8_t* to, __m128i low, __m128i high) {
  for (int half = 0; half < 2; ++half) {
    const __m128i codes = half == 0 ? low : high;
    const __m128i even = _mm_srai_epi16(_mm_slli_epi16(codes, 8), 8);
    const __m128i odd = _mm_srai_epi16(codes, 8);
    __m128i* out = reinterpret_cast<__m128i*>(to + 32 * half);
    _mm_storeu_si128(out, _mm_unpacklo_epi32(even, odd));
    _mm_storeu_si128(out + 1, _mm_unpackhi_epi32(even, odd));
  }
}

struct Tile {
  const uint8_t* codes;   // of the first vector's rows, block by block
  const uint8_t* scales;  // likewise
  size_t codes_apart;     // bytes from a vector of rows to the next
  size_t scales_apart;
  const uint8_t* x;  // prepared blocks of the first token
  size_t x_apart;    // bytes from a token to the next
  size_t blocks;
  float* y;           // the first row of the first token
  const float* bias;  // of the first row, or NULL
  size_t ldy;
  size_t rows;  // that exist
};

template <class Isa, int T, int V>
void tile(const Tile* a) {
  using Float = typename Isa::Float;
  Float sums[T][V];
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      sums[t][v] = Isa::zero();
    }
  }
  const uint8_t* codes = a->codes;
  const uint8_t* scales = a->scales;
  const uint8_t* x = a->x;
  for (size_t left = a->blocks; left > 0; --left) {
    typename Isa::Sum products[T][V];
#pragma GCC unroll 16
    for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        products[t][v] = Isa::start(x + static_cast<size_t>(t) * a->x_apart);
      }
    }
#pragma GCC unroll 8
    for (int round = 0; round < kRounds; ++round) {
      typename Isa::Codes here[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        here[v] = Isa::load(codes + static_cast<size_t>(v) * a->codes_apart + round * kRoundBytes, round);
      }
#pragma GCC unroll 16
      for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
          products[t][v] = Isa::add(products[t][v], here[v], x + static_cast<size_t>(t) * a->x_apart + 8, round);
        }
      }
    }
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const Float d = Isa::halves(scales + static_cast<size_t>(v) * a->scales_apart);
#pragma GCC unroll 16
      for (int t = 0; t < T; ++t) {
        const uint8_t* block = x + static_cast<size_t>(t) * a->x_apart;
        sums[t][v] = Isa::fmadd(Isa::value(products[t][v], block), Isa::mul(d, Isa::set1(scale_of(block))), sums[t][v]);
      }
    }
    codes += kBlockCodes;
    scales += kBlockScales;
    x += Isa::kPrepared;
  }
#pragma GCC unroll 16
  for (int t = 0; t < T; ++t) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const size_t row = static_cast<size_t>(v) * Isa::kLanes;
      float* y = a->y + static_cast<size_t>(t) * a->ldy + row;
      if (a->rows >= row + Isa::kLanes) {
        Isa::storeu(y, a->bias != NULL ? Isa::add_floats(sums[t][v], Isa::loadu(a->bias + row)) : sums[t][v]);
      } else if (a->rows > row) {
        float rest[Isa::kLanes];
        Isa::storeu(rest, sums[t][v]);
        for (size_t r = 0; r < a->rows - row; ++r) {
          y[r] = a->bias != NULL ? rest[r] + a->bias[row + r] : rest[r];
        }
      }
    }
  }
}

// tile<Isa, tokens, V>, tokens = 1 .. T.
template <class Isa, int T, int V>
inline void tile_of(size_t tokens, const Tile* a) {
  if (tokens == T) {
    tile<Isa, T, V>(a);
  } else if constexpr (T > 1) {
    tile_of<Isa, T - 1, V>(tokens, a);
  }
}

// All tokens of a batch, V vectors of rows at a time as long as there are so many, then one.
template <class Isa, int V>
void run_rows(const struct matmul_args* a, size_t token, size_t batch, size_t row, size_t end) {
  const size_t blocks = a->cols / kBlock;
  const size_t bytes = panel_bytes(blocks);
  constexpr size_t kVectorsOfPanel = kPanel / Isa::kLanes;
  Tile t;
  t.codes_apart = kVectorsOfPanel == 1 ? bytes : 4 * Isa::kLanes;
  t.scales_apart = kVectorsOfPanel == 1 ? bytes : 2 * Isa::kLanes;
  t.x_apart = blocks * Isa::kPrepared;
  t.blocks = blocks;
  t.ldy = a->ldy;
  for (; row < end; row += V * Isa::kLanes) {
    if (V > 1 && end - row <= (V - 1) * Isa::kLanes) {  // so many vectors are not left
      return run_rows<Isa, V / 2>(a, token, batch, row, end);
    }
    const uint8_t* panel = static_cast<const uint8_t*>(a->packed) + row / kPanel * bytes;
    const size_t in_panel = row % kPanel;
    t.codes = panel + 4 * in_panel;
    t.scales = panel + blocks * kBlockCodes + 2 * in_panel;
    t.bias = a->bias != NULL ? a->bias + row : NULL;
    t.rows = end - row;
    size_t first = 0;
    // Tiles of about the same size.
    for (size_t left = (batch + Isa::kTokens - 1) / Isa::kTokens; left > 0; --left) {
      const size_t tokens = (batch - first + left - 1) / left;
      t.x = static_cast<const uint8_t*>(a->scratch) + first * t.x_apart;
      t.y = a->y + (token + first) * a->ldy + row;
      tile_of<Isa, Isa::kTokens, V>(tokens, &t);
      first += tokens;
    }
  }
}

template <class Isa>
void run_tiles(const struct matmul_args* a) {
  static_assert(Isa::kPrepared <= kScratch, "the contract gives so much");
  if (a->row_begin >= a->row_end) {
    return;
  }
  const size_t blocks = a->cols / kBlock;
  for (size_t token = 0; token < a->tokens; token += kBatch) {
    const size_t batch = a->tokens - token < kBatch ? a->tokens - token : size_t{kBatch};
    const uint8_t* x = static_cast<const uint8_t*>(a->x) + token * blocks * kXBytes;
    uint8_t* to = static_cast<uint8_t*>(a->scratch);
    for (size_t i = 0; i < batch * blocks; ++i) {
      prepare<Isa>(to + i * Isa::kPrepared, x + i * kXBytes);
    }
    if (batch == 1) {
      run_rows<Isa, Isa::kVectorsOfOne>(a, token, batch, a->row_begin, a->row_end);
    } else {
      run_rows<Isa, Isa::kVectors>(a, token, batch, a->row_begin, a->row_end);
    }
  }
}

}  // namespace
