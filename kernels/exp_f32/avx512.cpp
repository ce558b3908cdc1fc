#include "kernels/shared/avx512.h"
#include "kernels/exp_f32/kernel.h"

extern "C" exp_f32_fn exp_f32_avx512;

// As in avx2.cpp; VSCALEFPS multiplies by 2^n with one rounding, also to a subnormal or to Inf.
static inline __m512 exp16(__m512 x) {
  const __m512 magic = _mm512_set1_ps(0x1.8p23f);
  // VMAXPS and VMINPS give their second operand where one is a NaN.
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
  return _mm512_scalef_ps(p, n);
}

extern "C" void exp_f32_avx512(float* y, const float* x, size_t n) { elementwise<4, kTogether>(y, n, exp16, x); }
