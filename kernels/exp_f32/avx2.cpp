#include "kernels/shared/avx2.h"
#include "kernels/exp_f32/kernel.h"

extern "C" exp_f32_fn exp_f32_avx2;

// e^r for r = x - whole * ln 2, with the polynomial of scalar.cpp. Thanks to FMA whole * ln2_high needs not be exact,
// so ln2_high is ln 2 to 24 bits.
static inline __m256 exp_of_rest(__m256 x, __m256 whole) {
  __m256 r = _mm256_fnmadd_ps(whole, _mm256_set1_ps(0x1.62e43p-1f), x);
  r = _mm256_fnmadd_ps(whole, _mm256_set1_ps(-0x1.05c61p-29f), r);
  __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(0x1.6a2332p-10f), r, _mm256_set1_ps(0x1.1239c4p-7f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.5558d2p-5f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.555492p-3f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(0x1.fffffcp-2f));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
  return _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
}

// Any x: see scalar.cpp.
static inline __m256 exp8(__m256 x) {
  const __m256 magic = _mm256_set1_ps(0x1.8p23f + 254);
  // VMAXPS and VMINPS give their second operand where one is a NaN.
  x = _mm256_min_ps(_mm256_set1_ps(89), _mm256_max_ps(_mm256_set1_ps(-104), x));
  const __m256 biased = _mm256_fmadd_ps(x, _mm256_set1_ps(0x1.715476p0f), magic);
  const __m256 p = exp_of_rest(x, _mm256_sub_ps(biased, magic));
  const __m256i bits = _mm256_castps_si256(biased);
  const __m256i first = _mm256_slli_epi32(_mm256_srli_epi32(bits, 1), 23);
  const __m256i second = _mm256_sub_epi32(_mm256_slli_epi32(bits, 23), first);
  return _mm256_mul_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second));
}

// |x| <= 86: 2^n and the result are normal numbers, and n can be added to the exponent of e^r.
static inline __m256 exp8_near(__m256 x) {
  const __m256 magic = _mm256_set1_ps(0x1.8p23f);
  const __m256 shifted = _mm256_fmadd_ps(x, _mm256_set1_ps(0x1.715476p0f), magic);
  const __m256 p = exp_of_rest(x, _mm256_sub_ps(shifted, magic));
  const __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
}

extern "C" void exp_f32_avx2(float* y, const float* x, size_t n) {
  size_t i = 0;
  // Four independent vectors a round, for the latency of some 50 cycles each. Clamps and two scale factors take six
  // operations of nineteen, so a round without an extreme x (or NaN: its bits compare as large) does without.
  for (; i + 32 <= n; i += 32) {
    const __m256 a = load(x + i);
    const __m256 b = load(x + i + 8);
    const __m256 c = load(x + i + 16);
    const __m256 d = load(x + i + 24);
    const __m256i largest =
        _mm256_max_epu32(_mm256_max_epu32(magnitude(a), magnitude(b)), _mm256_max_epu32(magnitude(c), magnitude(d)));
    const __m256i limit = _mm256_castps_si256(_mm256_set1_ps(86));
    if (__builtin_expect(_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_sub_epi32(limit, largest))), 0)) {
      store(y + i, exp8(a));
      store(y + i + 8, exp8(b));
      store(y + i + 16, exp8(c));
      store(y + i + 24, exp8(d));
    } else {
      const __m256 exp_a = exp8_near(a);
      const __m256 exp_b = exp8_near(b);
      const __m256 exp_c = exp8_near(c);
      const __m256 exp_d = exp8_near(d);
      store(y + i, exp_a);
      store(y + i + 8, exp_b);
      store(y + i + 16, exp_c);
      store(y + i + 24, exp_d);
    }
  }
  elementwise<1>(y + i, n - i, exp8, x + i);
}
