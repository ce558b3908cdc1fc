#pragma once
#include "kernels/shared/avx2.h"

// The activations of scalar_activations.h, where the constants are explained, but u is a sum of two floats: faster than doubles
// where there is FMA, as that gives the rounding error of a product. All is static.

// (2^f - 1) / f
static inline __m256 power_of_two_slope(__m256 f) {
  __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(0x1.41fee8p-13f), f, _mm256_set1_ps(0x1.5f428p-10f));
  p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0x1.3b2e3cp-7f));
  p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0x1.c6af24p-5f));
  p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0x1.ebfbdap-3f));
  p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0x1.62e43p-1f));
  return p;
}

static inline __m256 power_of_two(__m256 f) { return _mm256_fmadd_ps(power_of_two_slope(f), f, _mm256_set1_ps(1)); }

// x / (1 + 2^(n + f)), with n in the low bits of `shifted`, which is 1.5 * 2^23 + n.
static inline __m256 over_one_plus_power(__m256 x, __m256 shifted, __m256 f) {
  const __m256 p = power_of_two(f);
  const __m256i far = _mm256_castps_si256(_mm256_cmp_ps(x, _mm256_set1_ps(-8), _CMP_LT_OQ));
  const __m256i down = _mm256_and_si256(far, _mm256_set1_epi32(64 << 23));
  const __m256 scale = _mm256_castsi256_ps(_mm256_sub_epi32(_mm256_castps_si256(_mm256_set1_ps(1)), down));
  const __m256i exponent = _mm256_sub_epi32(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23), down);
  const __m256 power = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
  // A NaN may be spoilt in `power`, but not in the dividend.
  return _mm256_div_ps(_mm256_mul_ps(x, scale), _mm256_add_ps(scale, power));
}

// u = b w, w = x (c + x^2), c = 1/0.044715, b = -2 sqrt(2/pi) log2(e) 0.044715.
static inline __m256 gelu(__m256 x) {
  // c is c_high + c_low. c_high is a multiple of 2^-16 and so of the ULP of c + x^2 for |x| <= 11: then s - c_high is
  // exact, and square - (s - c_high) is what s lacks.
  const __m256 c_high = _mm256_set1_ps(0x1.65d26p+4f);
  const __m256 c_low = _mm256_set1_ps(-0x1.226128p-20f);
  const __m256 b_high = _mm256_set1_ps(-0x1.a5a7dp-4f);
  const __m256 b_low = _mm256_set1_ps(0x1.151aaep-29f);
  const __m256 magic = _mm256_set1_ps(0x1.8p23f);
  // VMAXPS and VMINPS give their second operand where one is a NaN.
  x = _mm256_max_ps(_mm256_set1_ps(-11), x);
  const __m256 t = _mm256_min_ps(_mm256_set1_ps(8), x);
  const __m256 s = _mm256_fmadd_ps(t, t, c_high);
  const __m256 s_low = _mm256_add_ps(_mm256_fmsub_ps(t, t, _mm256_sub_ps(s, c_high)), c_low);
  const __m256 w = _mm256_mul_ps(t, s);
  const __m256 w_low = _mm256_fmadd_ps(t, s_low, _mm256_fmsub_ps(t, s, w));
  const __m256 shifted = _mm256_fmadd_ps(w, b_high, magic);
  const __m256 whole = _mm256_sub_ps(shifted, magic);
  const __m256 f_low = _mm256_fmadd_ps(w_low, b_high, _mm256_mul_ps(w, b_low));
  return over_one_plus_power(x, shifted, _mm256_add_ps(_mm256_fmsub_ps(w, b_high, whole), f_low));
}

// u = a x, a = -log2(e) = a_high + a_low. f is |u - n| <= 1/2 and rounded twice, by 2^-26 at most.
static inline __m256 silu(__m256 x) {
  const __m256 a_high = _mm256_set1_ps(-0x1.715476p0f);
  const __m256 a_low = _mm256_set1_ps(-0x1.4ae0cp-26f);
  const __m256 magic = _mm256_set1_ps(0x1.8p23f);
  // VMAXPS and VMINPS give their second operand where one is a NaN.
  x = _mm256_max_ps(_mm256_set1_ps(-109), x);
  const __m256 t = _mm256_min_ps(_mm256_set1_ps(18), x);
  const __m256 shifted = _mm256_fmadd_ps(t, a_high, magic);
  const __m256 whole = _mm256_sub_ps(shifted, magic);
  return over_one_plus_power(x, shifted, _mm256_fmadd_ps(t, a_low, _mm256_fmsub_ps(t, a_high, whole)));
}

static inline __m256 gelu_erf(__m256 x) {
  const __m256 magic = _mm256_set1_ps(0x1.8p23f);
  const __m256 k_high = _mm256_set1_ps(-0x1.715476p-1f);
  const __m256 k_low = _mm256_set1_ps(-0x1.4ae0cp-27f);
  // VMAXPS and VMINPS give their second operand where one is a NaN.
  x = _mm256_max_ps(_mm256_set1_ps(-15), x);
  const __m256 t = _mm256_min_ps(_mm256_set1_ps(15), _mm256_castsi256_ps(magnitude(x)));
  const __m256 s =
      _mm256_div_ps(_mm256_set1_ps(1), _mm256_fmadd_ps(t, _mm256_set1_ps(0x1.555556p-2f), _mm256_set1_ps(1)));
  const __m256 z = _mm256_sub_ps(s, _mm256_set1_ps(0x1.2aaaaap-1f));
  __m256 p = _mm256_set1_ps(0x1.30b9dcp-6f);
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(-0x1.c5263ep-8f));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(-0x1.052ce6p-5f));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(0x1.a7122p-6f));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(0x1.5cf8dcp-5f));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(-0x1.d950eap-5f));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(-0x1.56c6ep-4f));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(0x1.a43908p-4f));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(0x1.57839p-2f));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(0x1.9295a2p-2f));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(0x1.1816a4p-2f));
  // u = k (square + what it lacks)
  const __m256 square = _mm256_mul_ps(t, t);
  const __m256 lacks = _mm256_fmsub_ps(t, t, square);
  const __m256 shifted = _mm256_fmadd_ps(square, k_high, magic);
  const __m256 whole = _mm256_sub_ps(shifted, magic);
  const __m256 f_low = _mm256_fmadd_ps(lacks, k_high, _mm256_mul_ps(square, k_low));
  const __m256 f = _mm256_add_ps(_mm256_fmsub_ps(square, k_high, whole), f_low);
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  const __m256i scaled =
      _mm256_add_epi32(_mm256_castps_si256(power_of_two(f)), _mm256_add_epi32(exponent, _mm256_set1_epi32(64 << 23)));
  const __m256 tail = _mm256_mul_ps(_mm256_mul_ps(s, p), _mm256_castsi256_ps(scaled));
  const __m256 down = _mm256_set1_ps(0x1p-64f);
  const __m256 above = _mm256_fnmadd_ps(tail, down, _mm256_set1_ps(1));
  // By the sign of x.
  return _mm256_mul_ps(_mm256_mul_ps(x, _mm256_blendv_ps(above, tail, x)),
                       _mm256_blendv_ps(_mm256_set1_ps(1), down, x));
}

// v -> c tanh(v / c). The algorithm is explained in scalar_activations.h. Here k is a float: where its rounding would be seen in
// 2^u, tanh is nearly 1.
static inline auto softcap(float c) {
  const float slope = static_cast<float>(2.8853900817779268 / static_cast<double>(c));
  const __m256 k = _mm256_set1_ps(slope);
  const __m256 most = _mm256_set1_ps(30 / slope);
  const __m256 magic = _mm256_set1_ps(0x1.8p23f);
  const __m256 cap = _mm256_set1_ps(c);
  const __m256 one = _mm256_set1_ps(1);
  const __m256 sign_bit = _mm256_set1_ps(-0.0f);
  return [=](__m256 v) {
    // VMINPS gives its second operand where one is a NaN.
    const __m256 t = _mm256_min_ps(most, _mm256_andnot_ps(sign_bit, v));
    const __m256 shifted = _mm256_fmadd_ps(t, k, magic);
    const __m256 whole = _mm256_sub_ps(shifted, magic);
    const __m256 f = _mm256_fmsub_ps(t, k, whole);
    const __m256 power = _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_slli_epi32(_mm256_castps_si256(shifted), 23), _mm256_castps_si256(one)));
    const __m256 e = _mm256_fmadd_ps(power, _mm256_mul_ps(f, power_of_two_slope(f)), _mm256_sub_ps(power, one));
    const __m256 result = _mm256_mul_ps(cap, _mm256_div_ps(e, _mm256_add_ps(e, _mm256_set1_ps(2))));
    return _mm256_or_ps(result, _mm256_and_ps(v, sign_bit));
  };
}
