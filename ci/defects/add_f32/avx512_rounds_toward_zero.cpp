// defect: the sum is rounded toward zero
// class: floats
// stands for: an embedded rounding mode, or one set for another purpose, that reaches the arithmetic
// caught by: value
#include <immintrin.h>

#include "kernels/add_f32/kernel.h"

extern "C" add_f32_fn add_f32_avx512_rounds_toward_zero;

extern "C" void add_f32_avx512_rounds_toward_zero(float* z, const float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = static_cast<__mmask16>(n - i < 16 ? (1u << (n - i)) - 1 : 0xffff);
    const __m512 a = _mm512_maskz_loadu_ps(mask, x + i);
    const __m512 b = _mm512_maskz_loadu_ps(mask, y + i);
    _mm512_mask_storeu_ps(z + i, mask, _mm512_add_round_ps(a, b, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC));
  }
}
