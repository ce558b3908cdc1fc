#pragma once
#include "kernels/shared/avx512.h"

// As in avx2_activations.h, with VSCALEFPS to multiply by 2^n. All is static.

// (2^f - 1) / f
static inline __m512 power_of_two_slope(__m512 f) {
  __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(0x1.41fee8p-13f), f, _mm512_set1_ps(0x1.5f428p-10f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.3b2e3cp-7f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.c6af24p-5f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.ebfbdap-3f));
  p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.62e43p-1f));
  return p;
}

static inline __m512 power_of_two(__m512 f) { return _mm512_fmadd_ps(power_of_two_slope(f), f, _mm512_set1_ps(1)); }

static inline __m512 over_one_plus_power(__m512 x, __m512 whole, __m512 f) {
  const __m512 p = power_of_two(f);
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

static inline __m512 gelu_erf(__m512 x) {
  const __m512 magic = _mm512_set1_ps(0x1.8p23f);
  const __m512 k_high = _mm512_set1_ps(-0x1.715476p-1f);
  const __m512 k_low = _mm512_set1_ps(-0x1.4ae0cp-27f);
  // VMAXPS and VMINPS give their second operand where one is a NaN.
  x = _mm512_max_ps(_mm512_set1_ps(-15), x);
  const __m512 t = _mm512_min_ps(_mm512_set1_ps(15), _mm512_castsi512_ps(magnitude(x)));
  const __m512 s =
      _mm512_div_ps(_mm512_set1_ps(1), _mm512_fmadd_ps(t, _mm512_set1_ps(0x1.555556p-2f), _mm512_set1_ps(1)));
  const __m512 z = _mm512_sub_ps(s, _mm512_set1_ps(0x1.2aaaaap-1f));
  __m512 p = _mm512_set1_ps(0x1.30b9dcp-6f);
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(-0x1.c5263ep-8f));
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(-0x1.052ce6p-5f));
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(0x1.a7122p-6f));
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(0x1.5cf8dcp-5f));
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(-0x1.d950eap-5f));
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(-0x1.56c6ep-4f));
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(0x1.a43908p-4f));
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(0x1.57839p-2f));
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(0x1.9295a2p-2f));
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(0x1.1816a4p-2f));
  // u = k (square + what it lacks)
  const __m512 square = _mm512_mul_ps(t, t);
  const __m512 lacks = _mm512_fmsub_ps(t, t, square);
  const __m512 shifted = _mm512_fmadd_ps(square, k_high, magic);
  const __m512 whole = _mm512_sub_ps(shifted, magic);
  const __m512 f_low = _mm512_fmadd_ps(lacks, k_high, _mm512_mul_ps(square, k_low));
  const __m512 f = _mm512_add_ps(_mm512_fmsub_ps(square, k_high, whole), f_low);
  const __m512 power = _mm512_scalef_ps(_mm512_mul_ps(power_of_two(f), _mm512_set1_ps(0x1p64f)), whole);
  const __m512 tail = _mm512_mul_ps(_mm512_mul_ps(s, p), power);
  const __m512 down = _mm512_set1_ps(0x1p-64f);
  const __m512 above = _mm512_fnmadd_ps(tail, down, _mm512_set1_ps(1));
  const __mmask16 below = _mm512_movepi32_mask(_mm512_castps_si512(x));  // by the sign
  return _mm512_mul_ps(_mm512_mul_ps(x, _mm512_mask_mov_ps(above, below, tail)),
                       _mm512_mask_mov_ps(_mm512_set1_ps(1), below, down));
}

// v -> c tanh(v / c). The algorithm is explained in scalar_activations.h. Here k is a float: where its rounding would be seen in
// 2^u, tanh is nearly 1.
static inline auto softcap(float c) {
  const float slope = static_cast<float>(2.8853900817779268 / static_cast<double>(c));
  const __m512 k = _mm512_set1_ps(slope);
  const __m512 most = _mm512_set1_ps(30 / slope);
  const __m512 magic = _mm512_set1_ps(0x1.8p23f);
  const __m512 cap = _mm512_set1_ps(c);
  const __m512 one = _mm512_set1_ps(1);
  const __m512 sign_bit = _mm512_set1_ps(-0.0f);
  return [=](__m512 v) {
    // VMINPS gives its second operand where one is a NaN.
    const __m512 t = _mm512_min_ps(most, _mm512_andnot_ps(sign_bit, v));
    const __m512 shifted = _mm512_fmadd_ps(t, k, magic);
    const __m512 whole = _mm512_sub_ps(shifted, magic);
    const __m512 f = _mm512_fmsub_ps(t, k, whole);
    const __m512 power = _mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_slli_epi32(_mm512_castps_si512(shifted), 23), _mm512_castps_si512(one)));
    const __m512 e = _mm512_fmadd_ps(power, _mm512_mul_ps(f, power_of_two_slope(f)), _mm512_sub_ps(power, one));
    const __m512 result = _mm512_mul_ps(cap, _mm512_div_ps(e, _mm512_add_ps(e, _mm512_set1_ps(2))));
    return _mm512_or_ps(result, _mm512_and_ps(v, sign_bit));
  };
}
