// defect: the sums are kept in half precision between rounds
// class: floats
// stands for: an accumulator as narrow as the data it adds
// caught by: value
#include <immintrin.h>

#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_avx2_sum_in_half;

extern "C" float dot_f32_avx2_sum_in_half(const float* x, const float* y, size_t n) {
  __m128i half[2] = {_mm_setzero_si128(), _mm_setzero_si128()};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (size_t j = 0; j < 2; ++j) {
      const __m256 s =
          _mm256_fmadd_ps(_mm256_loadu_ps(x + i + 8 * j), _mm256_loadu_ps(y + i + 8 * j), _mm256_cvtph_ps(half[j]));
      half[j] = _mm256_cvtps_ph(s, _MM_FROUND_TO_NEAREST_INT);
    }
  }
  float tail = 0;
  for (; i < n; ++i) {
    tail += x[i] * y[i];
  }
  const __m256 a = _mm256_add_ps(_mm256_cvtph_ps(half[0]), _mm256_cvtph_ps(half[1]));
  const __m128 d = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 e = _mm_add_ps(d, _mm_movehl_ps(d, d));
  return tail + _mm_cvtss_f32(_mm_add_ss(e, _mm_movehdup_ps(e)));
}
