#include <immintrin.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_avx512;

extern "C" void mul_f32_avx512(float* z, const float* x, const float* y, size_t n) {
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    _mm512_storeu_ps(z + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i)));
    _mm512_storeu_ps(z + i + 16, _mm512_mul_ps(_mm512_loadu_ps(x + i + 16), _mm512_loadu_ps(y + i + 16)));
    _mm512_storeu_ps(z + i + 32, _mm512_mul_ps(_mm512_loadu_ps(x + i + 32), _mm512_loadu_ps(y + i + 32)));
    _mm512_storeu_ps(z + i + 48, _mm512_mul_ps(_mm512_loadu_ps(x + i + 48), _mm512_loadu_ps(y + i + 48)));
  }
  for (; i + 16 <= n; i += 16) {
    _mm512_storeu_ps(z + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i)));
  }
  if (i < n) {
    const __mmask16 mask = static_cast<__mmask16>((1u << (n - i)) - 1);
    _mm512_mask_storeu_ps(z + i, mask,
                          _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_maskz_loadu_ps(mask, y + i)));
  }
}
