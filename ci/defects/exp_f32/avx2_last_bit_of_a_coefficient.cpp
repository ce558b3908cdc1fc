// defect: the coefficient of r is 1 - 2^-24
// class: floats
// stands for: a wrong constant in the last bit of a polynomial: errors of 1.2 ULP where 1 is allowed
// caught by: value
#include <immintrin.h>

#include "kernels/exp_f32/kernel.h"

extern "C" exp_f32_fn exp_f32_avx2_last_bit_of_a_coefficient;

// The algorithm and the constants are explained in kernels/exp_f32/scalar.cpp and avx2.cpp.
static inline __m256 exp_of_rest(__m256 x, __m256 whole, float c5) {
  __m256 r = _mm256_fnmadd_ps(whole, _mm256_set1_ps(0x1.62e43p-1f), x);
  r = _mm256_fnmadd_ps(whole, _mm256_set1_ps(-0x1.05c61p-29f), r);
  __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(0x1.6a2332p-10f), r, _mm256_set1_ps(c5));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.5558d2p-5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.555492p-3f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.fffffcp-2f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.fffffep-1f));
  return _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
}

static inline __m256 exp8(__m256 x) {
  const __m256 magic = _mm256_set1_ps(0x1.8p23f + 254);
  x = _mm256_min_ps(_mm256_set1_ps(89), _mm256_max_ps(_mm256_set1_ps(-104), x));
  const __m256 biased = _mm256_fmadd_ps(x, _mm256_set1_ps(0x1.715476p0f), magic);
  const __m256 p = exp_of_rest(x, _mm256_sub_ps(biased, magic), 0x1.1239c4p-7f);
  const __m256i bits = _mm256_castps_si256(biased);
  const __m256i first = _mm256_slli_epi32(_mm256_srli_epi32(bits, 1), 23);
  const __m256i second = _mm256_sub_epi32(_mm256_slli_epi32(bits, 23), first);
  return _mm256_mul_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second));
}

static inline __m256 exp8_near(__m256 x) {
  const __m256 magic = _mm256_set1_ps(0x1.8p23f);
  const __m256 shifted = _mm256_fmadd_ps(x, _mm256_set1_ps(0x1.715476p0f), magic);
  const __m256 p = exp_of_rest(x, _mm256_sub_ps(shifted, magic), 0x1.1239c4p-7f);
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
}

extern "C" void exp_f32_avx2_last_bit_of_a_coefficient(float* y, const float* x, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 v = _mm256_loadu_ps(x + i);
    const __m256i magnitude = _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7fffffff));
    const __m256i limit = _mm256_castps_si256(_mm256_set1_ps(86));
    const bool far = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_sub_epi32(limit, magnitude))) != 0;
    _mm256_storeu_ps(y + i, far ? exp8(v) : exp8_near(v));
  }
  for (; i < n; ++i) {
    _mm_store_ss(y + i, _mm256_castps256_ps128(exp8(_mm256_castps128_ps256(_mm_load_ss(x + i)))));
  }
}
