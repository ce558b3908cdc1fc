// The tile of the matmul family, for any ISA of intrinsics: some tokens times some vectors of rows, over all columns. An ISA's
// file has a struct V of its vectors,
//   Float, Int            kLanes floats, one for each row; as many int32, or four bytes or two int16 for each
//   kTokens, kVectors     of the largest tile; kVectorsOfOne: for one token
//   and what the functions below call on them; a name ends in the bits of what is worked on
// and calls run_tiles<V, Dot>. A Dot says how codes are multiplied: Words, Short or Vnni.
#pragma once
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include <type_traits>

#include "kernels/formats/format.h"
#include "kernels/matmul/kernel.h"
#include "kernels/matmul/layout.h"

namespace {

inline float float_at(const uint8_t* p) {
  float value;
  memcpy(&value, p, 4);
  return value;
}
inline int32_t int_at(const uint8_t* p) {
  int32_t value;
  memcpy(&value, p, 4);
  return value;
}
inline void put_float(uint8_t* p, float value) { memcpy(p, &value, 4); }
inline void put_int(uint8_t* p, int32_t value) { memcpy(p, &value, 4); }

// The magnitude of what the codes of a part of a block add up to, times those of x, without -128, which only x of Q8_0 has.
constexpr int kMostOfSub = (kZero > kMostCode - kZero ? int{kZero} : kMostCode - kZero) * 127 * kSub;

/// Exact sums of four products in a lane. Of integer scales that fit with what they multiply in one PMADDWD, the upper halves are 0.
template <class V>
struct Whole {
  using Int = typename V::Int;
  static constexpr bool kShort = false;
  static constexpr int kRun = kSub / kGroup;  // groups, after which a sum must be taken

  static Int scale(Int pair, int half) {
    if (kMostOfSub <= 32767) {
      return half == 0 ? V::and_(pair, V::set1(0xffff)) : V::right32(pair, 16);
    }
    return V::signed_right32(half == 0 ? V::left32(pair, 16) : pair, 16);
  }
  static Int times(Int sum, Int scale) {
    return kMostOfSub <= 32767 ? V::multiply_add16(sum, scale) : V::multiply32(sum, scale);
  }
};

/// VPDPBUSD.
template <class V>
struct Vnni : Whole<V> {
  using Int = typename V::Int;
  static constexpr bool kWiden = false;
  static Int add(Int sum, Int codes, const uint8_t* x) { return V::add_products(sum, codes, V::set1(int_at(x))); }
};

/// Where PMADDUBSW would saturate: the codes of even and odd columns become words, and PMADDWD adds the products of two columns.
template <class V>
struct Words : Whole<V> {
  using Int = typename V::Int;
  static constexpr bool kWiden = true;
  static Int add(Int sum, Int codes, const uint8_t* x) {
    sum = V::add32(sum, V::multiply_add16(V::and_(codes, V::set1(0x00ff00ff)), V::set1(int_at(x))));
    return V::add32(sum, V::multiply_add16(V::right16(codes, 8), V::set1(int_at(x + 4))));
  }
};

/// PMADDUBSW: a lane has two sums of int16, each of two of a group's columns. Of unsigned codes up to 15 those of 16 columns fit, of
/// others those of 8; where the sum starts with what kZero takes off, the whole fits though its parts wrap around.
template <class V>
struct Short {
  using Int = typename V::Int;
  static constexpr bool kWiden = false;
  static constexpr bool kShort = true;
  static constexpr int kRun = kSub == 16 || kMostCode > 15 ? 4 : 8;

  static Int add(Int sum, Int codes, const uint8_t* x) {
    return V::keep(V::add16(sum, V::multiply_add8(codes, V::set1(int_at(x)))));
  }
  static Int scale(Int pair, int half) { return half == 0 ? V::even_words(pair) : V::odd_words(pair); }
  static Int times(Int sum, Int scale) { return V::multiply_add16(sum, scale); }
};

/// For ISAs without VPDPBUSD.
template <class V>
using Plain = std::conditional_t<kWideCodes, Words<V>, Short<V>>;

template <class Dot>
constexpr int kGroupBytes = Dot::kWiden ? 8 : 4;  // of prepared codes
template <class Dot>
constexpr int kPrepared = kXCodes + kXColumns / kGroup* kGroupBytes<Dot>;

// Preparation of x.

/// 16 codes for products of 16 bits: of each four columns the first and third as int16, then the second and fourth.
inline void widen_codes(uint8_t* to, __m128i codes) {
  const __m128i even = _mm_srai_epi16(_mm_slli_epi16(codes, 8), 8);
  const __m128i odd = _mm_srai_epi16(codes, 8);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_unpacklo_epi32(even, odd));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16), _mm_unpackhi_epi32(even, odd));
}

inline __m128i load_words(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
inline void store_words(uint8_t* p, __m128i words) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), words); }

/// The sum of products of eight words with -kZero, or with 1 where that is 0.
inline int32_t sum_of_words(__m128i words) {
  __m128i sum = _mm_madd_epi16(words, _mm_set1_epi16(kZero != 0 ? -kZero : 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1)));
}

/// Sums of the first two and of the last two of each four codes, in an order in which two more steps of PHADDW have those of the first
/// two and of the last two of all 16 beside each other.
inline __m128i pairs_of_groups(const uint8_t* codes) {
  const __m128i pairs = _mm_maddubs_epi16(_mm_set1_epi8(1), load_words(codes));
  return _mm_shuffle_epi8(pairs, _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
}

template <class Dot>
inline void prepare(uint8_t* to, const uint8_t* x) {
  const uint8_t* codes = x + (LAYOUT_Q8_K ? 4 : 2);
  [[maybe_unused]] const uint8_t* sums = x + kQ8KSums;
#if LAYOUT_Q8_K
  const float d = float_at(x);
#else
  const float d = half_to_float(read_u16(x));
#endif
  put_float(to, d);
#if !LAYOUT_Q8_K
  const __m128i one = _mm_set1_epi8(1);
  const __m128i pairs =
      _mm_add_epi16(_mm_maddubs_epi16(one, load_words(codes)), _mm_maddubs_epi16(one, load_words(codes + 16)));
  if (LAYOUT_MINIMA) {
    put_float(to + 4, d * static_cast<float>(sum_of_words(pairs)));
  } else {
    put_int(to + 4, sum_of_words(pairs));
  }
#elif !LAYOUT_SUB_SCALES
  put_int(to + 4, sum_of_words(load_words(sums)) + sum_of_words(load_words(sums + 16)));
#elif LAYOUT_MINIMA
  if (kSub == 16) {
    memcpy(to + kXSums, sums, 32);
  } else {
    store_words(to + kXSums, _mm_hadd_epi16(load_words(sums), load_words(sums + 16)));
  }
#else
  const __m128i zeros = _mm_set1_epi16(-kZero);
#pragma GCC unroll 1
  for (int i = 0; i < kPairs / 2; ++i) {  // four of them
    if (Dot::kShort) {                    // of the first two and the last two columns of each group
      const __m128i first = _mm_hadd_epi16(pairs_of_groups(codes + 64 * i), pairs_of_groups(codes + 64 * i + 16));
      const __m128i last = _mm_hadd_epi16(pairs_of_groups(codes + 64 * i + 32), pairs_of_groups(codes + 64 * i + 48));
      store_words(to + kXSums + 16 * i, _mm_mullo_epi16(_mm_hadd_epi16(first, last), zeros));
    } else {
      const __m128i some = kSub == 16
                               ? _mm_cvtepu16_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(sums + 8 * i)))
                               : load_words(sums + 16 * i);
      store_words(to + kXSums + 16 * i, _mm_madd_epi16(some, zeros));
    }
  }
#endif
#pragma GCC unroll 2
  for (int i = 0; i < kXColumns / 16; ++i) {
    const __m128i some = load_words(codes + 16 * i);
    uint8_t* out = to + kXCodes + 4 * i * kGroupBytes<Dot>;
    if (Dot::kWiden) {
      widen_codes(out, some);
    } else {
      store_words(out, some);
    }
  }
}

// Codes.

/// `kBits` bits of each byte from place `from` on, moved to place `to`.
template <class V, int kBits>
inline typename V::Int move_bits(typename V::Int bytes, int from, int to) {
  if (from > to) {
    bytes = V::right16(bytes, from - to);
  } else if (from < to) {
    bytes = V::left16(bytes, to - from);
  }
  return V::and_(bytes, V::set1_8(((1 << kBits) - 1) << to));
}

/// Those of group g of the chunk at `from`: four bytes for each row.
template <class V>
inline typename V::Int codes_of_group(const uint8_t* from, int g) {
  constexpr int kGroupsOfLow = 8 / kLowBits;
  typename V::Int codes = V::load(from + g / kGroupsOfLow * kVector);
  if constexpr (kLowBits < 8) {
#ifdef LAYOUT_u1
    constexpr int kPlace = 1;  // codes 0 and 2
#else
    constexpr int kPlace = 0;
#endif
    codes = move_bits<V, kLowBits>(codes, g % kGroupsOfLow * kLowBits, kPlace);
  }
  if constexpr (kHighBits != 0) {
    constexpr int kGroupsOfHigh = 8 / (kHighBits != 0 ? kHighBits : 1);
    const typename V::Int high = V::load(from + (kLowVectors + g / kGroupsOfHigh) * kVector);
    codes = V::or_(codes, move_bits<V, kHighBits>(high, g % kGroupsOfHigh * kHighBits, kLowBits));
  }
#if LAYOUT_TABLE
  codes = V::look_up(kTable, codes);
#endif
  return codes;
}

/// The first digit to the base of 3 of each byte, a fraction of 256: three quarters of it, rounded down, have it in their highest two
/// bits. PAVGB rounds up, so it is given one less; all 256 bytes come out right.
template <class V>
inline typename V::Int first_trits(typename V::Int bytes) {
  const typename V::Int less = V::subtract_saturated8(bytes, V::set1_8(1));
  const typename V::Int quarters = V::average8(less, V::average8(less, V::zero_int()));
  return V::and_(V::right16(quarters, 6), V::set1_8(3));
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

// What belongs to each token and vector of a tile.
#define FOR_TOKENS_AND_VECTORS \
  _Pragma("GCC unroll 16") for (int t = 0; t < T; ++t) _Pragma("GCC unroll 4") for (int v = 0; v < N; ++v)
#define FOR_VECTORS _Pragma("GCC unroll 4") for (int v = 0; v < N; ++v)

// The weights of one token come from memory as they are used, and the processor's prefetchers stop at the end of a page. Of several
// tokens they do so once for many products: nothing is prefetched.

/// The line of a vector of codes, in each of the N vectors' panels.
template <class V, int T, int N>
inline void prefetch_codes(const Tile* a, const uint8_t* codes) {
#pragma GCC unroll 4
  for (int v = 0; T == 1 && v < (V::kLanes == kPanel ? N : 1); ++v) {
    _mm_prefetch(reinterpret_cast<const char*>(codes + static_cast<size_t>(v) * a->codes_apart + kAhead), _MM_HINT_T0);
  }
}

/// Those of the vectors of codes that group g of a chunk is the first to load.
template <class V, int T, int N>
inline void prefetch_group(const Tile* a, const uint8_t* codes, int g) {
  if (g * kLowBits % 8 == 0) {
    prefetch_codes<V, T, N>(a, codes + g * kLowBits / 8 * kVector);
  }
  if (kHighBits != 0 && g * kHighBits % 8 == 0) {
    prefetch_codes<V, T, N>(a, codes + (kLowVectors + g * kHighBits / 8) * kVector);
  }
}

/// The scales of the block that is so far ahead.
template <class V, int T, int N>
inline void prefetch_scales(const Tile* a, const uint8_t* scales) {
#pragma GCC unroll 4
  for (int v = 0; T == 1 && v < (V::kLanes == kPanel ? N : 1); ++v) {
#pragma GCC unroll 16
    for (int line = 0; line < kBlockScales; line += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(scales + static_cast<size_t>(v) * a->scales_apart + line +
                                                 (kAhead / kBlockCodes + 1) * kBlockScales),
                   _MM_HINT_T0);
    }
  }
}

/// Adds the products of kCount groups of a chunk, from kFirst on, to `sums`; `x` has the first token's codes of the chunk.
template <class V, class Dot, int T, int N, int kFirst, int kCount>
inline void add_groups(typename V::Int (&sums)[T][N], const Tile* a, const uint8_t* codes, const uint8_t* x) {
#pragma GCC unroll 8
  for (int g = kFirst; g < kFirst + kCount; ++g) {
    typename V::Int here[N];
    prefetch_group<V, T, N>(a, codes, g);
    FOR_VECTORS { here[v] = codes_of_group<V>(codes + static_cast<size_t>(v) * a->codes_apart, g); }
    FOR_TOKENS_AND_VECTORS {
      sums[t][v] = Dot::add(sums[t][v], here[v], x + static_cast<size_t>(t) * a->x_apart + g * kGroupBytes<Dot>);
    }
  }
}

/// The sums of 32 columns without integer scales, added to `totals`.
template <class V, class Dot, int T, int N, int kFirst = 0>
inline void add_chunk(typename V::Int (&totals)[T][N], const Tile* a, const uint8_t* codes, const uint8_t* x) {
  if constexpr (!Dot::kShort) {
    add_groups<V, Dot, T, N, 0, 8>(totals, a, codes, x);
  } else if constexpr (kFirst < 8) {
    typename V::Int sums[T][N];
    FOR_TOKENS_AND_VECTORS { sums[t][v] = V::zero_int(); }
    add_groups<V, Dot, T, N, kFirst, Dot::kRun>(sums, a, codes, x);
    FOR_TOKENS_AND_VECTORS { totals[t][v] = V::add32(totals[t][v], Dot::times(sums[t][v], V::set1(0x00010001))); }
    add_chunk<V, Dot, T, N, kFirst + Dot::kRun>(totals, a, codes, x);
  }
}

#if LAYOUT_SUB_SCALES
/// The sums of half a pair of integer scales, times them, added to `totals`. `sums_of_x` has what kZero takes off.
template <class V, class Dot, int T, int N, int kHalf, int kFirst = 0>
inline void add_half(typename V::Int (&totals)[T][N], const Tile* a, const uint8_t* codes, const uint8_t* x,
                     const uint8_t* sums_of_x, const typename V::Int (&pairs)[N]) {
  typename V::Int sums[T][N];
  FOR_TOKENS_AND_VECTORS {
    const bool start = kZero != 0 && kFirst == 0;
    sums[t][v] = start ? V::set1(int_at(sums_of_x + static_cast<size_t>(t) * a->x_apart + 4 * kHalf)) : V::zero_int();
  }
  if constexpr (kSub == 16) {
    add_groups<V, Dot, T, N, 4 * kHalf, 4>(sums, a, codes, x);
  } else {
    add_groups<V, Dot, T, N, kFirst, Dot::kRun>(sums, a, codes + kHalf * kChunkBytes, x + kHalf * 8 * kGroupBytes<Dot>);
  }
  typename V::Int scales[N];
  FOR_VECTORS { scales[v] = Dot::scale(pairs[v], kHalf); }
  FOR_TOKENS_AND_VECTORS { totals[t][v] = V::add32(totals[t][v], Dot::times(sums[t][v], scales[v])); }
  if constexpr (kSub == 32 && kFirst + Dot::kRun < 8) {
    add_half<V, Dot, T, N, kHalf, kFirst + Dot::kRun>(totals, a, codes, x, sums_of_x, pairs);
  }
}

/// A pair of integer scales, or of minima, as int16 for each row.
template <class V>
inline typename V::Int scale_pair(const uint8_t* scales, int pair) {
  const typename V::Int both = V::signed_words(scales + kSubScalesAt + pair * kUnit);
  return kSubMinimaAt == kSubScalesAt ? V::and_(both, V::set1(0x000f000f)) : both;
}
template <class V>
inline typename V::Int minimum_pair(const uint8_t* scales, int pair) {
  const typename V::Int both = V::signed_words(scales + kSubMinimaAt + pair * kUnit);
  return kSubMinimaAt == kSubScalesAt ? V::and_(V::right16(both, 4), V::set1(0x000f000f)) : both;
}
#endif

/// The integers of the part of a block that shares a scale of x; what kZero takes off is taken off.
template <class V, class Dot, int T, int N>
inline void multiply(typename V::Int (&totals)[T][N], const Tile* a, const uint8_t* codes,
                     [[maybe_unused]] const uint8_t* scales, const uint8_t* block) {
  const uint8_t* x = block + kXCodes;
#if LAYOUT_SUB_SCALES
  FOR_TOKENS_AND_VECTORS { totals[t][v] = V::zero_int(); }
#pragma GCC unroll 1
  for (int pair = 0; pair < kPairs; ++pair) {
    typename V::Int pairs[N];
    FOR_VECTORS { pairs[v] = scale_pair<V>(scales + static_cast<size_t>(v) * a->scales_apart, pair); }
    const uint8_t* sums_of_x = block + kXSums + 8 * pair;
    add_half<V, Dot, T, N, 0>(totals, a, codes, x, sums_of_x, pairs);
    add_half<V, Dot, T, N, 1>(totals, a, codes, x, sums_of_x, pairs);
    codes += 2 * kSub / kChunk * kChunkBytes;
    x += 2 * kSub / kGroup * kGroupBytes<Dot>;
  }
#else
  FOR_TOKENS_AND_VECTORS {
    const uint8_t* start = block + static_cast<size_t>(t) * a->x_apart + 4;
    totals[t][v] = kZero != 0 ? V::set1(int_at(start)) : V::zero_int();
  }
#if LAYOUT_TRITS
  typename V::Int sums[T][N];  // Short: of codes up to 2 those of all 256 columns fit
  FOR_TOKENS_AND_VECTORS { sums[t][v] = Dot::kShort ? V::zero_int() : totals[t][v]; }
  const auto add_vector = [&](int groups) {
    typename V::Int bytes[N];
    prefetch_codes<V, T, N>(a, codes);
    FOR_VECTORS { bytes[v] = V::load(codes + static_cast<size_t>(v) * a->codes_apart); }
#pragma GCC unroll 5
    for (int n = 0; n < groups; ++n) {
      typename V::Int here[N];
      FOR_VECTORS {
        here[v] = first_trits<V>(bytes[v]);
        bytes[v] = V::add8(bytes[v], V::add8(bytes[v], bytes[v]));
      }
      FOR_TOKENS_AND_VECTORS {
        sums[t][v] = Dot::add(sums[t][v], here[v], x + static_cast<size_t>(t) * a->x_apart + n * kGroupBytes<Dot>);
      }
    }
    codes += kVector;
    x += kTritGroups * kGroupBytes<Dot>;
  };
#pragma GCC unroll 1
  for (int i = 0; i + 1 < kTritVectors; ++i) {
    add_vector(kTritGroups);
  }
  add_vector(kXColumns / kGroup - kTritGroups * (kTritVectors - 1));
  FOR_TOKENS_AND_VECTORS {
    totals[t][v] =
        Dot::kShort ? V::add32(totals[t][v], V::multiply_add16(sums[t][v], V::set1(0x00010001))) : sums[t][v];
  }
#else
#pragma GCC unroll 1
  for (int chunk = 0; chunk < kXColumns / kChunk; ++chunk) {
    add_chunk<V, Dot, T, N>(totals, a, codes, x);
    codes += kChunkBytes;
    x += kChunk / kGroup * kGroupBytes<Dot>;
  }
#endif
#endif
}

/// Scales or minima of the rows of a vector.
template <class V>
inline typename V::Float numbers_of_rows(const uint8_t* p) {
#ifdef LAYOUT_ue4
  return V::upper_halves(p);
#elif LAYOUT_FLOAT_SCALES
  return V::loadu(reinterpret_cast<const float*>(p));
#else
  return V::halves(p);
#endif
}

#if LAYOUT_I8_S
/// All columns share a scale of x, behind which is the sum of its codes.
template <class V, class Dot, int T, int N>
inline void multiply_row(typename V::Float (&sums)[T][N], const Tile* a) {
  typename V::Int totals[T][N];
  FOR_TOKENS_AND_VECTORS { totals[t][v] = V::set1(-kZero * int_at(a->x + static_cast<size_t>(t) * a->x_apart + 4)); }
  const uint8_t* codes = a->codes;
  const uint8_t* x = a->x + kXHead;
#pragma GCC unroll 1
  for (size_t left = a->blocks * (kColumns / kChunk); left > 0; --left) {
    add_chunk<V, Dot, T, N>(totals, a, codes, x);
    codes += kChunkBytes;
    x += kChunk;
  }
  FOR_TOKENS_AND_VECTORS {
    const float d = a->blocks != 0 ? float_at(a->x + static_cast<size_t>(t) * a->x_apart) : 0;
    sums[t][v] = V::mul(V::to_float(totals[t][v]), V::set1(d));
  }
}
#else
template <class V, class Dot, int T, int N>
inline void multiply_row(typename V::Float (&sums)[T][N], const Tile* a) {
  using Float = typename V::Float;
  FOR_TOKENS_AND_VECTORS { sums[t][v] = V::zero(); }
  const uint8_t* codes = a->codes;
  const uint8_t* scales = a->scales;
  const uint8_t* x = a->x;
  for (size_t left = a->blocks; left > 0; --left) {
    prefetch_scales<V, T, N>(a, scales);
    Float d[N];
    FOR_VECTORS { d[v] = numbers_of_rows<V>(scales + static_cast<size_t>(v) * a->scales_apart); }
#pragma GCC unroll 1
    for (int part = 0; part < kXOfBlock; ++part) {
      typename V::Int totals[T][N];
      multiply<V, Dot, T, N>(totals, a, codes + part * (kBlockCodes / kXOfBlock), scales, x);
      FOR_TOKENS_AND_VECTORS {
        const float dx = float_at(x + static_cast<size_t>(t) * a->x_apart);
        sums[t][v] = V::fmadd(V::to_float(totals[t][v]), V::mul(d[v], V::set1(dx)), sums[t][v]);
      }
#if LAYOUT_MINIMA
      Float m[N];
      FOR_VECTORS { m[v] = numbers_of_rows<V>(scales + static_cast<size_t>(v) * a->scales_apart + kMinimumAt); }
#if LAYOUT_SUB_SCALES
      FOR_TOKENS_AND_VECTORS { totals[t][v] = V::zero_int(); }
#pragma GCC unroll 1
      for (int pair = 0; pair < kPairs; ++pair) {
        typename V::Int minima[N];
        FOR_VECTORS { minima[v] = minimum_pair<V>(scales + static_cast<size_t>(v) * a->scales_apart, pair); }
        FOR_TOKENS_AND_VECTORS {
          const int32_t sums_of_x = int_at(x + static_cast<size_t>(t) * a->x_apart + kXSums + 4 * pair);
          totals[t][v] = V::add32(totals[t][v], V::multiply_add16(minima[v], V::set1(sums_of_x)));
        }
      }
      FOR_TOKENS_AND_VECTORS {
        const float dx = float_at(x + static_cast<size_t>(t) * a->x_apart);
        sums[t][v] = V::fnmadd(V::to_float(totals[t][v]), V::mul(m[v], V::set1(dx)), sums[t][v]);
      }
#else
      FOR_TOKENS_AND_VECTORS {
        const float sum_of_x = float_at(x + static_cast<size_t>(t) * a->x_apart + 4);
        sums[t][v] = V::fmadd(m[v], V::set1(sum_of_x), sums[t][v]);
      }
#endif
#endif
      x += kPrepared<Dot>;
    }
    codes += kBlockCodes;
    scales += kBlockScales;
  }
}
#endif

template <class V, class Dot, int T, int N>
void tile(const Tile* a) {
  typename V::Float sums[T][N];
  multiply_row<V, Dot, T, N>(sums, a);
  FOR_TOKENS_AND_VECTORS {
    const size_t row = static_cast<size_t>(v) * V::kLanes;
    float* y = a->y + static_cast<size_t>(t) * a->ldy + row;
    if (a->rows >= row + V::kLanes) {
      V::storeu(y, a->bias != NULL ? V::add_floats(sums[t][v], V::loadu(a->bias + row)) : sums[t][v]);
    } else if (a->rows > row) {
      float rest[V::kLanes];
      V::storeu(rest, sums[t][v]);
      for (size_t r = 0; r < a->rows - row; ++r) {
        y[r] = a->bias != NULL ? rest[r] + a->bias[row + r] : rest[r];
      }
    }
  }
}

// tile<V, Dot, tokens, N>, tokens = 1 .. T.
template <class V, class Dot, int T, int N>
inline void tile_of(size_t tokens, const Tile* a) {
  if (tokens == T) {
    tile<V, Dot, T, N>(a);
  } else if constexpr (T > 1) {
    tile_of<V, Dot, T - 1, N>(tokens, a);
  }
}

// All tokens of a batch, whose prepared blocks are at x, N vectors of rows at a time and at most T tokens. Where a last panel has no other beside it,
// it is its own neighbour, whose results are not stored.
template <class V, class Dot, int T, int N>
void run_rows(const struct matmul_args* a, const uint8_t* x, size_t token, size_t batch, size_t row, size_t end) {
  const size_t blocks = a->cols / kColumns;
  const size_t bytes = panel_bytes(blocks);
  constexpr size_t kVectorsOfPanel = kPanel / V::kLanes;
  Tile t;
  t.codes_apart = kVectorsOfPanel == 1 ? bytes : kGroup * V::kLanes;
  t.scales_apart = kVectorsOfPanel == 1 ? bytes : kScaleBytes * V::kLanes;
  t.x_apart = LAYOUT_I8_S ? kXHead + a->cols : blocks * kXOfBlock * kPrepared<Dot>;
  t.blocks = blocks;
  t.ldy = a->ldy;
  for (; row < end; row += N * V::kLanes) {
    if (kVectorsOfPanel == 1 && end - row <= V::kLanes) {
      t.codes_apart = 0;
      t.scales_apart = 0;
    }
    const uint8_t* panel = static_cast<const uint8_t*>(a->packed) + row / kPanel * bytes;
    const size_t in_panel = row % kPanel;
    t.codes = panel + kGroup * in_panel;
    t.scales = panel + blocks * kBlockCodes + kScaleBytes * in_panel;
    t.bias = a->bias != NULL ? a->bias + row : NULL;
    t.rows = end - row;
    size_t first = 0;
    // Tiles of about the same size.
    for (size_t left = (batch + T - 1) / T; left > 0; --left) {
      const size_t tokens = (batch - first + left - 1) / left;
      t.x = x + first * t.x_apart;
      t.y = a->y + (token + first) * a->ldy + row;
      tile_of<V, Dot, T, N>(tokens, &t);
      first += tokens;
    }
  }
}

template <class V, class Dot>
void run_tiles(const struct matmul_args* a) {
  static_assert(kPrepared<Dot> <= kScratch, "the contract gives so much");
  if (a->row_begin >= a->row_end) {
    return;
  }
  for (size_t token = 0; token < a->tokens; token += kBatch) {
    const size_t batch = a->tokens - token < kBatch ? a->tokens - token : size_t{kBatch};
#if LAYOUT_I8_S
    const uint8_t* prepared = static_cast<const uint8_t*>(a->x) + token * (kXHead + a->cols);
#else
    const size_t blocks = a->cols / kXColumns;
    const uint8_t* x = static_cast<const uint8_t*>(a->x) + token * blocks * kXBytes;
    uint8_t* prepared = static_cast<uint8_t*>(a->scratch);
    for (size_t i = 0; i < batch * blocks; ++i) {
      prepare<Dot>(prepared + i * kPrepared<Dot>, x + i * kXBytes);
    }
#endif
    if (batch == 1) {
      run_rows<V, Dot, 1, V::kVectorsOfOne>(a, prepared, token, batch, a->row_begin, a->row_end);
    } else {
      run_rows<V, Dot, V::kTokens, V::kVectors>(a, prepared, token, batch, a->row_begin, a->row_end);
    }
  }
}

}  // namespace
