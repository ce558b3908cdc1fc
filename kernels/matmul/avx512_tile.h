// The vectors of the AVX-512 tiles: 16 rows, which is a panel.
#pragma once
#include "kernels/matmul/tile.h"

namespace {

struct Avx512 {
  using Float = __m512;
  using Int = __m512i;
  static constexpr size_t kLanes = 16;
  static constexpr int kTokens = 6;  // 2 x 6 sums of floats and of integers: 24 of 32 registers
  static constexpr int kVectors = 2;
  static constexpr int kVectorsOfOne = 2;

  static Float zero() { return _mm512_setzero_ps(); }
  static Float set1(float x) { return _mm512_set1_ps(x); }
  static Float mul(Float x, Float y) { return _mm512_mul_ps(x, y); }
  static Float fmadd(Float x, Float y, Float z) { return _mm512_fmadd_ps(x, y, z); }
  static Float fnmadd(Float x, Float y, Float z) { return _mm512_fnmadd_ps(x, y, z); }
  static Float add_floats(Float x, Float y) { return _mm512_add_ps(x, y); }
  static Float loadu(const float* p) { return _mm512_loadu_ps(p); }
  static void storeu(float* p, Float x) { _mm512_storeu_ps(p, x); }
  static Float halves(const uint8_t* p) { return _mm512_cvtph_ps(half_load(p)); }
  static Float upper_halves(const uint8_t* p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half_load(p)), 16));
  }
  static Float to_float(Int x) { return _mm512_cvtepi32_ps(x); }

  static Int zero_int() { return _mm512_setzero_si512(); }
  static Int set1(int32_t x) { return _mm512_set1_epi32(x); }
  static Int set1_8(int x) { return _mm512_set1_epi8(static_cast<char>(x)); }
  static Int load(const uint8_t* p) { return _mm512_load_si512(p); }
  /// 32 bytes as int16.
  static Int signed_words(const uint8_t* p) { return _mm512_cvtepi8_epi16(half_load(p)); }
  static Int and_(Int x, Int y) { return _mm512_and_si512(x, y); }
  static Int or_(Int x, Int y) { return _mm512_or_si512(x, y); }
  static Int left16(Int x, int by) { return _mm512_slli_epi16(x, static_cast<unsigned>(by)); }
  static Int right16(Int x, int by) { return _mm512_srli_epi16(x, static_cast<unsigned>(by)); }
  static Int left32(Int x, int by) { return _mm512_slli_epi32(x, static_cast<unsigned>(by)); }
  static Int right32(Int x, int by) { return _mm512_srli_epi32(x, static_cast<unsigned>(by)); }
  static Int signed_right32(Int x, int by) { return _mm512_srai_epi32(x, static_cast<unsigned>(by)); }
  static Int add8(Int x, Int y) { return _mm512_add_epi8(x, y); }
  static Int add16(Int x, Int y) { return _mm512_add_epi16(x, y); }
  static Int add32(Int x, Int y) { return _mm512_add_epi32(x, y); }
  static Int subtract_saturated8(Int x, Int y) { return _mm512_subs_epu8(x, y); }
  static Int average8(Int x, Int y) { return _mm512_avg_epu8(x, y); }
  static Int multiply_add8(Int x, Int y) { return _mm512_maddubs_epi16(x, y); }
  static Int multiply_add16(Int x, Int y) { return _mm512_madd_epi16(x, y); }
  static Int multiply32(Int x, Int y) { return _mm512_mullo_epi32(x, y); }
  /// The lower, or the upper, word of each lane in both.
  static Int even_words(Int x) { return _mm512_shufflehi_epi16(_mm512_shufflelo_epi16(x, 0xa0), 0xa0); }
  static Int odd_words(Int x) { return _mm512_shufflehi_epi16(_mm512_shufflelo_epi16(x, 0xf5), 0xf5); }
  static Int look_up(const uint8_t* table, Int x) {
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table))), x);
  }
  /// GCC would reassociate sums to have all products first, and spill them.
  static Int keep(Int sum) {
    asm("" : "+v"(sum));
    return sum;
  }

 private:
  static __m256i half_load(const uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
};

}  // namespace
