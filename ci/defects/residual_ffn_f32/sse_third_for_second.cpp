// defect: in the unrolled loop, the second vector takes the weights of the third
// class: operands
// stands for: a line of an unroll copied and not changed in all places
// caught by: value
#include <immintrin.h>

#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_fn residual_ffn_f32_sse_third_for_second;

static inline __m128 combine(__m128 a, __m128 b, __m128 w) { return _mm_add_ps(_mm_add_ps(a, b), _mm_mul_ps(b, w)); }

extern "C" void residual_ffn_f32_sse_third_for_second(float* z, const float* a, const float* b, const float* w,
                                                      size_t n) {
  size_t i = 0;
  for (; i + 12 <= n; i += 12) {
    const __m128 first = combine(_mm_loadu_ps(a + i), _mm_loadu_ps(b + i), _mm_loadu_ps(w + i));
    const __m128 second = combine(_mm_loadu_ps(a + i + 4), _mm_loadu_ps(b + i + 4), _mm_loadu_ps(w + i + 8));
    const __m128 third = combine(_mm_loadu_ps(a + i + 8), _mm_loadu_ps(b + i + 8), _mm_loadu_ps(w + i + 8));
    _mm_storeu_ps(z + i, first);
    _mm_storeu_ps(z + i + 4, second);
    _mm_storeu_ps(z + i + 8, third);
  }
  for (; i < n; ++i) {
    z[i] = (a[i] + b[i]) + b[i] * w[i];
  }
}
