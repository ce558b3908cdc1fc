#pragma once
#include "kernels/shared/sse.h"

// The activations of scalar_activations.h, where the algorithms and the constants are explained. All is static.

static inline __m128 over_one_plus_power(__m128 x, __m128d u0, __m128d u1) {
  const __m128d magic = _mm_set1_pd(0x1.8p52 + 127);
  const __m128d biased0 = _mm_add_pd(u0, magic);
  const __m128d biased1 = _mm_add_pd(u1, magic);
  const __m128 f0 = _mm_cvtpd_ps(_mm_sub_pd(u0, _mm_sub_pd(biased0, magic)));
  const __m128 f1 = _mm_cvtpd_ps(_mm_sub_pd(u1, _mm_sub_pd(biased1, magic)));
  const __m128 f = _mm_movelh_ps(f0, f1);
  const __m128i whole = _mm_castps_si128(_mm_shuffle_ps(_mm_castpd_ps(biased0), _mm_castpd_ps(biased1), 0x88));
  __m128 p = _mm_add_ps(_mm_mul_ps(_mm_set1_ps(0x1.41fee8p-13f), f), _mm_set1_ps(0x1.5f428p-10f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(0x1.3b2e3cp-7f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(0x1.c6af24p-5f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(0x1.ebfbdap-3f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(0x1.62e43p-1f));
  p = _mm_add_ps(_mm_mul_ps(p, f), _mm_set1_ps(1));
  const __m128i far = _mm_castps_si128(_mm_cmplt_ps(x, _mm_set1_ps(-8)));
  const __m128i down = _mm_and_si128(far, _mm_set1_epi32(64 << 23));
  const __m128 scale = _mm_castsi128_ps(_mm_sub_epi32(_mm_castps_si128(_mm_set1_ps(1)), down));
  const __m128i exponent = _mm_sub_epi32(_mm_slli_epi32(whole, 23), down);
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
