// The vectors of the tiles of 256 bits: 8 rows, half of a panel.
#pragma once
#include "kernels/matmul/tile.h"

namespace {

struct Avx2 {
  using Float = __m256;
  using Int = __m256i;
  static constexpr size_t kLanes = 8;
  static constexpr int kTokens = 4;  // 4 sums of floats and 4 of integers, and the codes are loaded once for 4 tokens
  static constexpr int kVectors = 1;
  static constexpr int kVectorsOfOne = 2;

  static Float zero() { return _mm256_setzero_ps(); }
  static Float set1(float x) { return _mm256_set1_ps(x); }
  static Float mul(Float x, Float y) { return _mm256_mul_ps(x, y); }
  static Float fmadd(Float x, Float y, Float z) { return _mm256_fmadd_ps(x, y, z); }
  static Float fnmadd(Float x, Float y, Float z) { return _mm256_fnmadd_ps(x, y, z); }
  static Float add_floats(Float x, Float y) { return _mm256_add_ps(x, y); }
  static Float loadu(const float* p) { return _mm256_loadu_ps(p); }
  static void storeu(float* p, Float x) { _mm256_storeu_ps(p, x); }
  static Float halves(const uint8_t* p) { return _mm256_cvtph_ps(half_load(p)); }
  static Float upper_halves(const uint8_t* p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half_load(p)), 16));
  }
  static Float to_float(Int x) { return _mm256_cvtepi32_ps(x); }

  static Int zero_int() { return _mm256_setzero_si256(); }
  static Int set1(int32_t x) { return _mm256_set1_epi32(x); }
  static Int set1_8(int x) { return _mm256_set1_epi8(static_cast<char>(x)); }
  static Int load(const uint8_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
  /// 16 bytes as int16.
  static Int signed_words(const uint8_t* p) { return _mm256_cvtepi8_epi16(half_load(p)); }
  static Int and_(Int x, Int y) { return _mm256_and_si256(x, y); }
  static Int or_(Int x, Int y) { return _mm256_or_si256(x, y); }
  static Int left16(Int x, int by) { return _mm256_slli_epi16(x, by); }
  static Int right16(Int x, int by) { return _mm256_srli_epi16(x, by); }
  static Int left32(Int x, int by) { return _mm256_slli_epi32(x, by); }
  static Int right32(Int x, int by) { return _mm256_srli_epi32(x, by); }
  static Int signed_right32(Int x, int by) { return _mm256_srai_epi32(x, by); }
  static Int add8(Int x, Int y) { return _mm256_add_epi8(x, y); }
  static Int add16(Int x, Int y) { return _mm256_add_epi16(x, y); }
  static Int add32(Int x, Int y) { return _mm256_add_epi32(x, y); }
  static Int subtract_saturated8(Int x, Int y) { return _mm256_subs_epu8(x, y); }
  static Int average8(Int x, Int y) { return _mm256_avg_epu8(x, y); }
  static Int multiply_add8(Int x, Int y) { return _mm256_maddubs_epi16(x, y); }
  static Int multiply_add16(Int x, Int y) { return _mm256_madd_epi16(x, y); }
  static Int multiply32(Int x, Int y) { return _mm256_mullo_epi32(x, y); }
  /// The lower, or the upper, word of each lane in both.
  static Int even_words(Int x) { return _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(x, 0xa0), 0xa0); }
  static Int odd_words(Int x) { return _mm256_shufflehi_epi16(_mm256_shufflelo_epi16(x, 0xf5), 0xf5); }
  static Int look_up(const uint8_t* table, Int x) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table))),
                               x);
  }
  /// GCC would reassociate sums to have all products first, and spill them.
  static Int keep(Int sum) {
    asm("" : "+x"(sum));
    return sum;
  }

 private:
  static __m128i half_load(const uint8_t* p) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)); }
};

}  // namespace
