// What the AVX-512 tiles share: 16 rows in the lanes of a vector, which is a panel.
#pragma once
#include "kernels/matmul/tile.h"

namespace {

struct Avx512 {
  using Float = __m512;
  static constexpr size_t kLanes = 16;
  static constexpr int kTokens = 6;  // 2 x 6 sums of floats and of integers: 24 of 32 registers
  static constexpr int kVectors = 2;
  static constexpr int kVectorsOfOne = 2;

  static Float zero() { return _mm512_setzero_ps(); }
  static Float set1(float x) { return _mm512_set1_ps(x); }
  static Float mul(Float x, Float y) { return _mm512_mul_ps(x, y); }
  static Float fmadd(Float x, Float y, Float z) { return _mm512_fmadd_ps(x, y, z); }
  static Float add_floats(Float x, Float y) { return _mm512_add_ps(x, y); }
  static Float halves(const uint8_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static Float loadu(const float* p) { return _mm512_loadu_ps(p); }
  static void storeu(float* p, Float x) { _mm512_storeu_ps(p, x); }
};

}  // namespace
