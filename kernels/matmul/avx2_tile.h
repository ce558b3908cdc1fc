// What the tiles of 256 bits share: 8 rows in the lanes of a vector, half of a panel.
#pragma once
#include "kernels/matmul/tile.h"

namespace {

struct Avx2 {
  using Float = __m256;
  static constexpr size_t kLanes = 8;
  static constexpr int kTokens = 4;  // 4 sums of floats and 4 of integers, and the codes are loaded once for 4 tokens
  static constexpr int kVectors = 1;
  static constexpr int kVectorsOfOne = 2;

  static Float zero() { return _mm256_setzero_ps(); }
  static Float set1(float x) { return _mm256_set1_ps(x); }
  static Float mul(Float x, Float y) { return _mm256_mul_ps(x, y); }
  static Float fmadd(Float x, Float y, Float z) { return _mm256_fmadd_ps(x, y, z); }
  static Float add_floats(Float x, Float y) { return _mm256_add_ps(x, y); }
  static Float halves(const uint8_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  static Float loadu(const float* p) { return _mm256_loadu_ps(p); }
  static void storeu(float* p, Float x) { _mm256_storeu_ps(p, x); }
};

}  // namespace
