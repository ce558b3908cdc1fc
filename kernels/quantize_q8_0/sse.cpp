#include "kernels/shared/sse.h"
#include "kernels/quantize_q8_0/kernel.h"
#include "kernels/shared/scalar.h"

extern "C" quantize_q8_0_fn quantize_q8_0_sse;

// cvtps2dq rounds to nearest even, as MXCSR says by the ABI.
static inline __m128i scaled(__m128 x, __m128 inverse) { return _mm_cvtps_epi32(_mm_mul_ps(x, inverse)); }

static inline void quantize(uint8_t* dst, const float* x) {
  __m128 v[8];
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) {
    v[j] = load(x + 4 * j);
  }
  __m128i m = magnitude(v[0]);
#pragma GCC unroll 8
  for (int j = 1; j < 8; ++j) {
    m = _mm_max_epi32(m, magnitude(v[j]));
  }
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
  const __m128 amax = _mm_castsi128_ps(m);
  const __m128 inverse = _mm_div_ps(_mm_set1_ps(127.0f), amax);
  const int largest = _mm_cvtsi128_si32(m);
  if (largest >= 0x7f800000 || _mm_cvtsi128_si32(_mm_castps_si128(inverse)) == 0x7f800000) {
    const uint16_t d = largest >= 0x7f800000 ? 0x7e00 : 0;
    memcpy(dst, &d, sizeof d);
    memset(dst + 2, 0, 32);
    return;
  }
  const uint16_t d = half_of(_mm_cvtss_f32(_mm_div_ss(amax, _mm_set_ss(127.0f))));
  memcpy(dst, &d, sizeof d);
#pragma GCC unroll 2
  for (int j = 0; j < 2; ++j) {
    const __m128i low = _mm_packs_epi32(scaled(v[4 * j], inverse), scaled(v[4 * j + 1], inverse));
    const __m128i high = _mm_packs_epi32(scaled(v[4 * j + 2], inverse), scaled(v[4 * j + 3], inverse));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + 2 + 16 * j), _mm_packs_epi16(low, high));
  }
}

extern "C" void quantize_q8_0_sse(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 32, x += 32, out += 34) {
    quantize(out, x);
  }
}
