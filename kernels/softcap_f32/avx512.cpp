#include "kernels/shared/avx512_activations.h"
#include "kernels/softcap_f32/kernel.h"

extern "C" softcap_f32_fn softcap_f32_avx512;

// The algorithm is explained in scalar.cpp. Here k is a float: where its rounding would be seen in 2^u, tanh is nearly 1.
extern "C" void softcap_f32_avx512(float* y, const float* x, float c, size_t n) {
  const float slope = static_cast<float>(2.8853900817779268 / static_cast<double>(c));
  const __m512 k = _mm512_set1_ps(slope);
  const __m512 most = _mm512_set1_ps(30 / slope);
  const __m512 magic = _mm512_set1_ps(0x1.8p23f);
  const __m512 cap = _mm512_set1_ps(c);
  const __m512 one = _mm512_set1_ps(1);
  const __m512 sign_bit = _mm512_set1_ps(-0.0f);
  const auto softcap = [=](__m512 v) {
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
  elementwise<2, kTogether>(y, n, softcap, x);
}
