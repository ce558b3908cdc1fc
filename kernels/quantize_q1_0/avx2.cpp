#include "kernels/shared/avx2.h"
#include "kernels/quantize_q1_0/kernel.h"

extern "C" quantize_q1_0_fn quantize_q1_0_avx2;

static inline __m256i not_negative(__m256 x) {
  return _mm256_castps_si256(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GE_OQ));
}

static inline __m256 add_magnitude(__m256 s, __m256 x) {
  return _mm256_add_ps(s, _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff))));
}

static inline void quantize(uint8_t* dst, const float* x) {
  // The packs work within 128-bit lanes: groups of four values come out as 0 2 4 6 1 3 5 7.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  __m256 s[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m256 v0 = load(x + 32 * j);
    const __m256 v1 = load(x + 32 * j + 8);
    const __m256 v2 = load(x + 32 * j + 16);
    const __m256 v3 = load(x + 32 * j + 24);
    s[0] = add_magnitude(s[0], v0);
    s[1] = add_magnitude(s[1], v1);
    s[2] = add_magnitude(s[2], v2);
    s[3] = add_magnitude(s[3], v3);
    const __m256i low = _mm256_packs_epi32(not_negative(v0), not_negative(v1));
    const __m256i high = _mm256_packs_epi32(not_negative(v2), not_negative(v3));
    const int bits = _mm256_movemask_epi8(_mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order));
    memcpy(dst + 2 + 4 * j, &bits, sizeof bits);
  }
  store_half(dst, _mm_set_ss(add_up(s) * (1.0f / 128)));
}

extern "C" void quantize_q1_0_avx2(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 128, x += 128, out += 18) {
    quantize(out, x);
  }
}
