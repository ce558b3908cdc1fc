#include "kernels/shared/avx2.h"
#include "kernels/quantize_q8_0/kernel.h"

extern "C" quantize_q8_0_fn quantize_q8_0_avx2;

// vcvtps2dq rounds to nearest even, as MXCSR says by the ABI.
static inline __m256i scaled(__m256 x, __m256 inverse) { return _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse)); }

static inline void quantize(uint8_t* dst, const float* x) {
  const __m256 v0 = load(x);
  const __m256 v1 = load(x + 8);
  const __m256 v2 = load(x + 16);
  const __m256 v3 = load(x + 24);
  const __m256i m8 =
      _mm256_max_epi32(_mm256_max_epi32(magnitude(v0), magnitude(v1)), _mm256_max_epi32(magnitude(v2), magnitude(v3)));
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
  const __m256 inverse = _mm256_broadcastss_ps(inverse1);
  const __m256i low = _mm256_packs_epi32(scaled(v0, inverse), scaled(v1, inverse));
  const __m256i high = _mm256_packs_epi32(scaled(v2, inverse), scaled(v3, inverse));
  // The packs work within 128-bit lanes: groups of four values come out as 0 2 4 6 1 3 5 7.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i q = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst + 2), q);
}

extern "C" void quantize_q8_0_avx2(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 32, x += 32, out += 34) {
    quantize(out, x);
  }
}
