// defect: short vectors are left to the AVX2 variant
// class: gating
// stands for: a variant that silently calls another: its name says one thing, its timings another
// caught by: foreign-call
#include <immintrin.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_avx512_calls_avx2;
extern "C" mul_f32_fn mul_f32_avx2;

extern "C" void mul_f32_avx512_calls_avx2(float* z, const float* x, const float* y, size_t n) {
  if (n < 64) {
    mul_f32_avx2(z, x, y, n);
    return;
  }
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = static_cast<__mmask16>(n - i < 16 ? (1u << (n - i)) - 1 : 0xffff);
    _mm512_mask_storeu_ps(z + i, mask,
                          _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_maskz_loadu_ps(mask, y + i)));
  }
}
