// defect: behind an unrolled round, the remainder begins one vector too late
// class: lengths
// stands for: a tail off by one vector
// caught by: value memory canary
#include <immintrin.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_avx512_tail_one_vector_off;

extern "C" void mul_f32_avx512_tail_one_vector_off(float* z, const float* x, const float* y, size_t n) {
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    _mm512_storeu_ps(z + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i)));
    _mm512_storeu_ps(z + i + 16, _mm512_mul_ps(_mm512_loadu_ps(x + i + 16), _mm512_loadu_ps(y + i + 16)));
  }
  if (n - i >= 16) {
    _mm512_storeu_ps(z + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i)));
    i += 16;
  }
  if (i < n) {
    const __mmask16 mask = static_cast<__mmask16>((1u << (n - i)) - 1);
    const size_t at = n >= 32 ? i + 16 : i;
    _mm512_mask_storeu_ps(z + at, mask,
                          _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + at), _mm512_maskz_loadu_ps(mask, y + at)));
  }
}
