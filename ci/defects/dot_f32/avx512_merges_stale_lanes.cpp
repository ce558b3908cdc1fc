// defect: the remainder is loaded over the last vectors: the lanes behind the end still hold those
// class: masks
// stands for: merge-masking where zero-masking is meant
// caught by: value
#include <immintrin.h>

#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_avx512_merges_stale_lanes;

extern "C" float dot_f32_avx512_merges_stale_lanes(const float* x, const float* y, size_t n) {
  __m512 s = _mm512_setzero_ps();
  __m512 a = s;
  __m512 b = s;
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    a = _mm512_loadu_ps(x + i);
    b = _mm512_loadu_ps(y + i);
    s = _mm512_fmadd_ps(a, b, s);
  }
  if (i < n) {
    const __mmask16 mask = static_cast<__mmask16>((1u << (n - i)) - 1);
    s = _mm512_fmadd_ps(_mm512_mask_loadu_ps(a, mask, x + i), _mm512_mask_loadu_ps(b, mask, y + i), s);
  }
  return _mm512_reduce_add_ps(s);
}
