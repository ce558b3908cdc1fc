#include "kernels/shared/sse.h"
#include "kernels/exp_f32/kernel.h"

extern "C" exp_f32_fn exp_f32_sse;

// The algorithm and the constants are explained in scalar.cpp.
static inline __m128 exp4(__m128 x) {
  const __m128 magic = _mm_set1_ps(0x1.8p23f + 254);
  // MAXPS and MINPS give their second operand where one is a NaN.
  x = _mm_max_ps(_mm_set1_ps(-104), x);
  x = _mm_min_ps(_mm_set1_ps(89), x);
  const __m128 biased = _mm_add_ps(_mm_mul_ps(x, _mm_set1_ps(0x1.715476p0f)), magic);
  const __m128 whole = _mm_sub_ps(biased, magic);
  const __m128 r_high = _mm_sub_ps(x, _mm_mul_ps(whole, _mm_set1_ps(0x1.62e4p-1f)));
  const __m128 r_low = _mm_mul_ps(whole, _mm_set1_ps(0x1.7f7d1cp-20f));
  const __m128 r = _mm_sub_ps(r_high, r_low);
  __m128 s = _mm_add_ps(_mm_mul_ps(_mm_set1_ps(0x1.6a2332p-10f), r), _mm_set1_ps(0x1.1239c4p-7f));
  s = _mm_add_ps(_mm_mul_ps(s, r), _mm_set1_ps(0x1.5558d2p-5f));
  s = _mm_add_ps(_mm_mul_ps(s, r), _mm_set1_ps(0x1.555492p-3f));
  s = _mm_add_ps(_mm_mul_ps(s, r), _mm_set1_ps(0x1.fffffcp-2f));
  const __m128 tail = _mm_sub_ps(_mm_mul_ps(s, _mm_mul_ps(r, r)), r_low);
  const __m128 p = _mm_add_ps(_mm_set1_ps(1), _mm_add_ps(r_high, tail));
  const __m128i bits = _mm_castps_si128(biased);
  const __m128i first = _mm_slli_epi32(_mm_srli_epi32(bits, 1), 23);
  const __m128i second = _mm_sub_epi32(_mm_slli_epi32(bits, 23), first);
  return _mm_mul_ps(_mm_mul_ps(p, _mm_castsi128_ps(first)), _mm_castsi128_ps(second));
}

extern "C" void exp_f32_sse(float* y, const float* x, size_t n) {
  // Two vectors a round: the chains of both are in flight at once, and their values fit the 16 registers.
  elementwise<2, kTogether>(y, n, exp4, x);
}
