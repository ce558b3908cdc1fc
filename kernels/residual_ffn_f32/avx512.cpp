#include <immintrin.h>

#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_fn residual_ffn_f32_avx512;

static inline __m512 combine(__m512 a, __m512 b, __m512 w) { return _mm512_fmadd_ps(b, w, _mm512_add_ps(a, b)); }

extern "C" void residual_ffn_f32_avx512(float* z, const float* a, const float* b, const float* w, size_t n) {
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    _mm512_storeu_ps(z + i, combine(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), _mm512_loadu_ps(w + i)));
    _mm512_storeu_ps(z + i + 16,
                     combine(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), _mm512_loadu_ps(w + i + 16)));
    _mm512_storeu_ps(z + i + 32,
                     combine(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), _mm512_loadu_ps(w + i + 32)));
    _mm512_storeu_ps(z + i + 48,
                     combine(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), _mm512_loadu_ps(w + i + 48)));
  }
  for (; i + 16 <= n; i += 16) {
    _mm512_storeu_ps(z + i, combine(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), _mm512_loadu_ps(w + i)));
  }
  if (i < n) {
    const __mmask16 mask = static_cast<__mmask16>((1u << (n - i)) - 1);
    _mm512_mask_storeu_ps(z + i, mask,
                          combine(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i),
                                  _mm512_maskz_loadu_ps(mask, w + i)));
  }
}
