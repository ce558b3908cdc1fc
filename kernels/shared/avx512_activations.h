#pragma once
#include "kernels/shared/avx512.h"

// As in avx2_activations.h, with VSCALEFPS to multiply by 2^n. All is static.

static inline __m512 over_one_plus_power(__m512 x, __m512 whole, __m512 f) {
  __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0x1.41fee8p-13f), f, _mm512_set1_ps(0x1.5f428p-10f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.3b2e3cp-7f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.c6af24p-5f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.ebfbdap-3f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.62e43p-1f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1));
  const __mmask16 far = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-8), _CMP_LT_OQ);
  const __m512 scale = _mm512_mask_mov_ps(_mm512_set1_ps(1), far, _mm512_set1_ps(0x1p-64f));
  const __m512 power = _mm512_scalef_ps(_mm512_mul_ps(p, scale), whole);
  return _mm512_div_ps(_mm512_mul_ps(x, scale), _mm512_add_ps(scale, power));
}

static inline __m512 gelu(__m512 x) {
  const __m512 c_high = _mm512_set1_ps(0x1.65d26p+4f);
  const __m512 c_low = _mm512_set1_ps(-0x1.226128p-20f);
  const __m512 b_high = _mm512_set1_ps(-0x1.a5a7dp-4f);
  const __m512 b_low = _mm512_set1_ps(0x1.151aaep-29f);
  const __m512 magic = _mm512_set1_ps(0x1.8p23f);
  // VMAXPS and VMINPS give their second operand where one is a NaN.
  x = _mm512_max_ps(_mm512_set1_ps(-11), x);
  const __m512 t = _mm512_min_ps(_mm512_set1_ps(8), x);
  const __m512 s = _mm512_fmadd_ps(t, t, c_high);
  const __m512 s_low = _mm512_add_ps(_mm512_fmsub_ps(t, t, _mm512_sub_ps(s, c_high)), c_low);
  const __m512 w = _mm512_mul_ps(t, s);
  const __m512 w_low = _mm512_fmadd_ps(t, s_low, _mm512_fmsub_ps(t, s, w));
  const __m512 whole = _mm512_sub_ps(_mm512_fmadd_ps(w, b_high, magic), magic);
  const __m512 f_low = _mm512_fmadd_ps(w_low, b_high, _mm512_mul_ps(w, b_low));
  return over_one_plus_power(x, whole, _mm512_add_ps(_mm512_fmsub_ps(w, b_high, whole), f_low));
}

static inline __m512 silu(__m512 x) {
  const __m512 a_high = _mm512_set1_ps(-0x1.715476p0f);
  const __m512 a_low = _mm512_set1_ps(-0x1.4ae0cp-26f);
  const __m512 magic = _mm512_set1_ps(0x1.8p23f);
  // VMAXPS and VMINPS give their second operand where one is a NaN.
  x = _mm512_max_ps(_mm512_set1_ps(-109), x);
  const __m512 t = _mm512_min_ps(_mm512_set1_ps(18), x);
  const __m512 whole = _mm512_sub_ps(_mm512_fmadd_ps(t, a_high, magic), magic);
  return over_one_plus_power(x, whole, _mm512_fmadd_ps(t, a_low, _mm512_fmsub_ps(t, a_high, whole)));
}
