#include "kernels/shared/avx2_activations.h"
#include "kernels/softcap_f32/kernel.h"

extern "C" softcap_f32_fn softcap_f32_avx2;

// The algorithm is explained in scalar.cpp. Here k is a float: where its rounding would be seen in 2^u, tanh is nearly 1.
extern "C" void softcap_f32_avx2(float* y, const float* x, float c, size_t n) {
  const float slope = static_cast<float>(2.8853900817779268 / static_cast<double>(c));
  const __m256 k = _mm256_set1_ps(slope);
  const __m256 most = _mm256_set1_ps(30 / slope);
  const __m256 magic = _mm256_set1_ps(0x1.8p23f);
  const __m256 cap = _mm256_set1_ps(c);
  const __m256 one = _mm256_set1_ps(1);
  const __m256 sign_bit = _mm256_set1_ps(-0.0f);
  const auto softcap = [=](__m256 v) {
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
  elementwise<2, kTogether>(y, n, softcap, x);
}
