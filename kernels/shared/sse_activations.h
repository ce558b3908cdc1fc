#pragma once
#include "kernels/shared/sse.h"

// The activations of scalar_activations.h, where the algorithms and the constants are explained. All is static.

// (2^f - 1) / f
static inline __m128 power_of_two_slope(__m128 f) {
  __m128 p = _mm_add_ps(_mm_mul_ps(_mm_set1_ps(0x1.41fee8p-13f), f), _mm_set1_ps(0x1.5f428p-10f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(0x1.3b2e3cp-7f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(0x1.c6af24p-5f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(0x1.ebfbdap-3f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(0x1.62e43p-1f));
  return p;
}

static inline __m128 power_of_two(__m128 f) { return _mm_add_ps(_mm_mul_ps(power_of_two_slope(f), f), _mm_set1_ps(1)); }

// u = n + f of four doubles, n an integer and |f| <= 1/2: f, and n plus the bias, which with 1.5 * 2^52 makes `magic`, as the bits of an
// exponent.
struct SplitPower {
  __m128 f;
  __m128i exponent;
};
static inline SplitPower split_power(__m128d u0, __m128d u1, double bias) {
  const __m128d magic = _mm_set1_pd(0x1.8p52 + bias);
  const __m128d biased0 = _mm_add_pd(u0, magic);
  const __m128d biased1 = _mm_add_pd(u1, magic);
  const __m128 f0 = _mm_cvtpd_ps(_mm_sub_pd(u0, _mm_sub_pd(biased0, magic)));
  const __m128 f1 = _mm_cvtpd_ps(_mm_sub_pd(u1, _mm_sub_pd(biased1, magic)));
  const __m128i whole = _mm_castps_si128(_mm_shuffle_ps(_mm_castpd_ps(biased0), _mm_castpd_ps(biased1), 0x88));
  return {_mm_movelh_ps(f0, f1), _mm_slli_epi32(whole, 23)};
}

static inline __m128 over_one_plus_power(__m128 x, __m128d u0, __m128d u1) {
  const SplitPower u = split_power(u0, u1, 127);
  const __m128 p = power_of_two(u.f);
  const __m128i far = _mm_castps_si128(_mm_cmplt_ps(x, _mm_set1_ps(-8)));
  const __m128i down = _mm_and_si128(far, _mm_set1_epi32(64 << 23));
  const __m128 scale = _mm_castsi128_ps(_mm_sub_epi32(_mm_castps_si128(_mm_set1_ps(1)), down));
  const __m128i exponent = _mm_sub_epi32(u.exponent, down);
  const __m128 denominator = _mm_add_ps(scale, _mm_mul_ps(p, _mm_castsi128_ps(exponent)));
  return _mm_div_ps(_mm_mul_ps(x, scale), denominator);
}

static inline __m128 gelu(__m128 x) {
  const __m128d a = _mm_set1_pd(-2.3022081981443249);
  const __m128d b = _mm_set1_pd(-0.10294323958002349);
  // MAXPS and MINPS give their second operand where one is a NaN.
  x = _mm_max_ps(_mm_set1_ps(-11), x);
  const __m128 t = _mm_min_ps(_mm_set1_ps(8), x);
  const __m128d t0 = _mm_cvtps_pd(t);
  const __m128d t1 = _mm_cvtps_pd(_mm_movehl_ps(t, t));
  const __m128d u0 = _mm_mul_pd(t0, _mm_add_pd(a, _mm_mul_pd(b, _mm_mul_pd(t0, t0))));
  const __m128d u1 = _mm_mul_pd(t1, _mm_add_pd(a, _mm_mul_pd(b, _mm_mul_pd(t1, t1))));
  return over_one_plus_power(x, u0, u1);
}

static inline __m128 silu(__m128 x) {
  const __m128d a = _mm_set1_pd(-1.4426950408889634);
  // MAXPS and MINPS give their second operand where one is a NaN.
  x = _mm_max_ps(_mm_set1_ps(-109), x);
  const __m128 t = _mm_min_ps(_mm_set1_ps(18), x);
  return over_one_plus_power(x, _mm_mul_pd(_mm_cvtps_pd(t), a), _mm_mul_pd(_mm_cvtps_pd(_mm_movehl_ps(t, t)), a));
}

static inline __m128 gelu_erf(__m128 x) {
  // MAXPS and MINPS give their second operand where one is a NaN.
  x = _mm_max_ps(_mm_set1_ps(-15), x);
  const __m128 t = _mm_min_ps(_mm_set1_ps(15), _mm_castsi128_ps(magnitude(x)));
  const __m128 s = _mm_div_ps(_mm_set1_ps(1), _mm_add_ps(_mm_set1_ps(1), _mm_mul_ps(t, _mm_set1_ps(0x1.555556p-2f))));
  const __m128 z = _mm_sub_ps(s, _mm_set1_ps(0x1.2aaaaap-1f));
  __m128 p = _mm_set1_ps(0x1.30b9dcp-6f);
  p = _mm_add_ps(_mm_mul_ps(p, z), _mm_set1_ps(-0x1.c5263ep-8f));
  p = _mm_add_ps(_mm_mul_ps(p, z), _mm_set1_ps(-0x1.052ce6p-5f));
  p = _mm_add_ps(_mm_mul_ps(p, z), _mm_set1_ps(0x1.a7122p-6f));
  p = _mm_add_ps(_mm_mul_ps(p, z), _mm_set1_ps(0x1.5cf8dcp-5f));
  p = _mm_add_ps(_mm_mul_ps(p, z), _mm_set1_ps(-0x1.d950eap-5f));
  p = _mm_add_ps(_mm_mul_ps(p, z), _mm_set1_ps(-0x1.56c6ep-4f));
  p = _mm_add_ps(_mm_mul_ps(p, z), _mm_set1_ps(0x1.a43908p-4f));
  p = _mm_add_ps(_mm_mul_ps(p, z), _mm_set1_ps(0x1.57839p-2f));
  p = _mm_add_ps(_mm_mul_ps(p, z), _mm_set1_ps(0x1.9295a2p-2f));
  p = _mm_add_ps(_mm_mul_ps(p, z), _mm_set1_ps(0x1.1816a4p-2f));
  const __m128d k = _mm_set1_pd(-0.72134752044448170);
  const __m128d t0 = _mm_cvtps_pd(t);
  const __m128d t1 = _mm_cvtps_pd(_mm_movehl_ps(t, t));
  const SplitPower u = split_power(_mm_mul_pd(_mm_mul_pd(t0, t0), k), _mm_mul_pd(_mm_mul_pd(t1, t1), k), 127 + 64);
  const __m128 power = _mm_mul_ps(power_of_two(u.f), _mm_castsi128_ps(u.exponent));
  const __m128 tail = _mm_mul_ps(_mm_mul_ps(s, p), power);
  const __m128 down = _mm_set1_ps(0x1p-64f);
  const __m128 above = _mm_sub_ps(_mm_set1_ps(1), _mm_mul_ps(tail, down));
  // By the sign of x.
  return _mm_mul_ps(_mm_mul_ps(x, _mm_blendv_ps(above, tail, x)), _mm_blendv_ps(_mm_set1_ps(1), down, x));
}

// v -> c tanh(v / c). The algorithm is explained in scalar_activations.h.
static inline auto softcap(float c) {
  const __m128d k = _mm_set1_pd(2.8853900817779268 / static_cast<double>(c));
  const __m128d most = _mm_set1_pd(30);
  const __m128 cap = _mm_set1_ps(c);
  const __m128 one = _mm_set1_ps(1);
  const __m128 sign_bit = _mm_set1_ps(-0.0f);
  return [=](__m128 v) {
    const __m128 t = _mm_andnot_ps(sign_bit, v);
    // MINPD gives its second operand where one is a NaN.
    const __m128d u0 = _mm_min_pd(most, _mm_mul_pd(_mm_cvtps_pd(t), k));
    const __m128d u1 = _mm_min_pd(most, _mm_mul_pd(_mm_cvtps_pd(_mm_movehl_ps(t, t)), k));
    const SplitPower u = split_power(u0, u1, 127);
    const __m128 power = _mm_castsi128_ps(u.exponent);
    const __m128 part = _mm_mul_ps(power, _mm_mul_ps(u.f, power_of_two_slope(u.f)));
    const __m128 e = _mm_add_ps(part, _mm_sub_ps(power, one));
    const __m128 result = _mm_mul_ps(cap, _mm_div_ps(e, _mm_add_ps(e, _mm_set1_ps(2))));
    return _mm_or_ps(result, _mm_and_ps(v, sign_bit));
  };
}
