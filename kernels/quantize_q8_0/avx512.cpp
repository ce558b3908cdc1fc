#include "kernels/shared/avx512.h"
#include "kernels/quantize_q8_0/kernel.h"

extern "C" quantize_q8_0_fn quantize_q8_0_avx512;

// vcvtps2dq rounds to nearest even, as MXCSR says by the ABI.
static inline __m128i scaled(__m512 x, __m512 inverse) {
  return _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(x, inverse)));
}

static inline void quantize(uint8_t* dst, const float* x) {
  const __m512 v0 = load(x);
  const __m512 v1 = load(x + 16);
  const __m512i m16 = _mm512_max_epi32(magnitude(v0), magnitude(v1));
  const __m256i m8 = _mm256_max_epi32(_mm512_castsi512_si256(m16), _mm512_extracti64x4_epi64(m16, 1));
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(m8), _mm256_extracti128_si256(m8, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
  const __m128 amax = _mm_castsi128_ps(m);
  const __m128 inverse1 = _mm_div_ps(_mm_set1_ps(127.0f), amax);
  const int largest = _mm_cvtsi128_si32(m);
  if (largest >= 0x7f800000 || _mm_cvtsi128_si32(_mm_castps_si128(inverse1)) == 0x7f800000) {
    const uint16_t d = largest >= 0x7f800000 ? 0x7e00 : 0;
    memcpy(dst, &d, sizeof d);
    memset(dst + 2, 0, 32);
    return;
  }
  store_half(dst, _mm_div_ps(amax, _mm_set1_ps(127.0f)));
  const __m512 inverse = _mm512_broadcastss_ps(inverse1);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + 2), scaled(v0, inverse));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + 18), scaled(v1, inverse));
}

extern "C" void quantize_q8_0_avx512(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 32, x += 32, out += 34) {
    quantize(out, x);
  }
}
