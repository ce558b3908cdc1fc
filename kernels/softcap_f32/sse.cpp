#include "kernels/shared/sse_activations.h"
#include "kernels/softcap_f32/kernel.h"

extern "C" softcap_f32_fn softcap_f32_sse;

// The algorithm is explained in scalar.cpp.
extern "C" void softcap_f32_sse(float* y, const float* x, float c, size_t n) {
  const __m128d k = _mm_set1_pd(2.8853900817779268 / static_cast<double>(c));
  const __m128d most = _mm_set1_pd(30);
  const __m128 cap = _mm_set1_ps(c);
  const __m128 one = _mm_set1_ps(1);
  const __m128 sign_bit = _mm_set1_ps(-0.0f);
  const auto softcap = [=](__m128 v) {
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
  elementwise<1>(y, n, softcap, x);
}
