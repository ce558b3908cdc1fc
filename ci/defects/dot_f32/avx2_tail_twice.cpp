// defect: the last vector is taken once more by the masked tail when n is a multiple of 8
// class: lengths
// stands for: a remainder loop whose bound is <= where it should be <
// caught by: value
#include <immintrin.h>

#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_avx2_tail_twice;

extern "C" float dot_f32_avx2_tail_twice(const float* x, const float* y, size_t n) {
  __m256 s[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    s[0] = _mm256_fmadd_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i), s[0]);
    s[1] = _mm256_fmadd_ps(_mm256_loadu_ps(x + i + 8), _mm256_loadu_ps(y + i + 8), s[1]);
  }
  if (i > 0 && i == n) {
    i -= 8;
  }
  __m128 t = _mm_setzero_ps();
  for (; i < n; ++i) {
    t = _mm_add_ss(t, _mm_mul_ss(_mm_load_ss(x + i), _mm_load_ss(y + i)));
  }
  const __m256 a = _mm256_add_ps(s[0], s[1]);
  const __m128 d = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 e = _mm_add_ps(d, _mm_movehl_ps(d, d));
  return _mm_cvtss_f32(_mm_add_ss(t, _mm_add_ss(e, _mm_movehdup_ps(e))));
}
