// defect: in the unrolled loop, the third sum goes on from the second
// class: operands
// stands for: a wrong accumulator in an unroll: one sum counts twice, another is lost
// caught by: value
#include <immintrin.h>

#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_sse_wrong_accumulator;

extern "C" float dot_f32_sse_wrong_accumulator(const float* x, const float* y, size_t n) {
  __m128 s0 = _mm_setzero_ps();
  __m128 s1 = s0;
  __m128 s2 = s0;
  __m128 s3 = s0;
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    s0 = _mm_add_ps(s0, _mm_mul_ps(_mm_loadu_ps(x + i), _mm_loadu_ps(y + i)));
    s1 = _mm_add_ps(s1, _mm_mul_ps(_mm_loadu_ps(x + i + 4), _mm_loadu_ps(y + i + 4)));
    s2 = _mm_add_ps(s1, _mm_mul_ps(_mm_loadu_ps(x + i + 8), _mm_loadu_ps(y + i + 8)));
    s3 = _mm_add_ps(s3, _mm_mul_ps(_mm_loadu_ps(x + i + 12), _mm_loadu_ps(y + i + 12)));
  }
  for (; i < n; ++i) {
    s0 = _mm_add_ss(s0, _mm_mul_ss(_mm_load_ss(x + i), _mm_load_ss(y + i)));
  }
  const __m128 s = _mm_add_ps(_mm_add_ps(s0, s1), _mm_add_ps(s2, s3));
  const __m128 pairs = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}
