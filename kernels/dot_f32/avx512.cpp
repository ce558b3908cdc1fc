#include <immintrin.h>

#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_avx512;

extern "C" float dot_f32_avx512(const float* x, const float* y, size_t n) {
  // Eight accumulators: two FMAs a cycle times a latency of four.
  __m512 s[8];
  for (int j = 0; j < 8; ++j) {
    s[j] = _mm512_setzero_ps();
  }
  size_t i = 0;
  for (; i + 128 <= n; i += 128) {
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; ++j) {
      s[j] = _mm512_fmadd_ps(_mm512_loadu_ps(x + i + 16 * j), _mm512_loadu_ps(y + i + 16 * j), s[j]);
    }
  }
  for (; i + 16 <= n; i += 16) {
    s[0] = _mm512_fmadd_ps(_mm512_loadu_ps(x + i), _mm512_loadu_ps(y + i), s[0]);
  }
  if (i < n) {
    const __mmask16 mask = static_cast<__mmask16>((1u << (n - i)) - 1);
    s[1] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_maskz_loadu_ps(mask, y + i), s[1]);
  }
  const __m512 a = _mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3]));
  const __m512 b = _mm512_add_ps(_mm512_add_ps(s[4], s[5]), _mm512_add_ps(s[6], s[7]));
  return _mm512_reduce_add_ps(_mm512_add_ps(a, b));
}
