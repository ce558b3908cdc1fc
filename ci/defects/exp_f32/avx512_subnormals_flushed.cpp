// defect: results under 2^-126 are 0
// class: floats
// stands for: subnormal results flushed: a lower limit at the last normal result
// caught by: value
#include <immintrin.h>

#include "kernels/exp_f32/kernel.h"

extern "C" exp_f32_fn exp_f32_avx512_subnormals_flushed;

// The algorithm and the constants are explained in kernels/exp_f32/scalar.cpp and avx512.cpp.
static inline __m512 exp16(__m512 x) {
  const __m512 magic = _mm512_set1_ps(0x1.8p23f);
  const __mmask16 kept = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.33654f), _CMP_NLT_UQ);
  x = _mm512_max_ps(_mm512_set1_ps(-104), x);
  x = _mm512_min_ps(_mm512_set1_ps(89), x);
  const __m512 n = _mm512_sub_ps(_mm512_fmadd_ps(x, _mm512_set1_ps(0x1.715476p0f), magic), magic);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0x1.62e43p-1f), x);
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-0x1.05c61p-29f), r);
  __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0x1.6a2332p-10f), r, _mm512_set1_ps(0x1.1239c4p-7f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.5558d2p-5f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.555492p-3f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0x1.fffffcp-2f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
  return _mm512_maskz_scalef_ps(kept, p, n);
}

extern "C" void exp_f32_avx512_subnormals_flushed(float* y, const float* x, size_t n) {
  for (size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = static_cast<__mmask16>(n - i < 16 ? (1u << (n - i)) - 1 : 0xffff);
    _mm512_mask_storeu_ps(y + i, mask, exp16(_mm512_maskz_loadu_ps(mask, x + i)));
  }
}
