#include <immintrin.h>

#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_fn residual_ffn_f32_sse;

static inline __m128 combine(__m128 a, __m128 b, __m128 w) { return _mm_add_ps(_mm_add_ps(a, b), _mm_mul_ps(b, w)); }

extern "C" void residual_ffn_f32_sse(float* z, const float* a, const float* b, const float* w, size_t n) {
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    _mm_storeu_ps(z + i, combine(_mm_loadu_ps(a + i), _mm_loadu_ps(b + i), _mm_loadu_ps(w + i)));
    _mm_storeu_ps(z + i + 4, combine(_mm_loadu_ps(a + i + 4), _mm_loadu_ps(b + i + 4), _mm_loadu_ps(w + i + 4)));
    _mm_storeu_ps(z + i + 8, combine(_mm_loadu_ps(a + i + 8), _mm_loadu_ps(b + i + 8), _mm_loadu_ps(w + i + 8)));
    _mm_storeu_ps(z + i + 12, combine(_mm_loadu_ps(a + i + 12), _mm_loadu_ps(b + i + 12), _mm_loadu_ps(w + i + 12)));
  }
  for (; i + 4 <= n; i += 4) {
    _mm_storeu_ps(z + i, combine(_mm_loadu_ps(a + i), _mm_loadu_ps(b + i), _mm_loadu_ps(w + i)));
  }
  for (; i < n; ++i) {
    z[i] = (a[i] + b[i]) + b[i] * w[i];
  }
}
