// defect: the two halves of each byte are exchanged
// class: integers
// stands for: wrong nibble order: high half first
// caught by: value
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/quantize_q1_0/kernel.h"

extern "C" quantize_q1_0_fn quantize_q1_0_avx2_nibbles_exchanged;

static inline __m256i not_negative(__m256 x) {
  return _mm256_castps_si256(_mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_GE_OQ));
}

static inline __m256 add_magnitude(__m256 s, __m256 x) {
  return _mm256_add_ps(s, _mm256_and_ps(x, _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff))));
}

static inline void quantize(uint8_t* dst, const float* x) {
  // The packs work within 128-bit lanes: groups of four values come out as 0 2 4 6 1 3 5 7.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  __m256 s0 = _mm256_setzero_ps();
  __m256 s1 = s0;
  __m256 s2 = s0;
  __m256 s3 = s0;
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m256 v0 = _mm256_loadu_ps(x + 32 * j);
    const __m256 v1 = _mm256_loadu_ps(x + 32 * j + 8);
    const __m256 v2 = _mm256_loadu_ps(x + 32 * j + 16);
    const __m256 v3 = _mm256_loadu_ps(x + 32 * j + 24);
    s0 = add_magnitude(s0, v0);
    s1 = add_magnitude(s1, v1);
    s2 = add_magnitude(s2, v2);
    s3 = add_magnitude(s3, v3);
    const __m256i low = _mm256_packs_epi32(not_negative(v0), not_negative(v1));
    const __m256i high = _mm256_packs_epi32(not_negative(v2), not_negative(v3));
    int bits = _mm256_movemask_epi8(_mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order));
    bits = ((bits & 0x0f0f0f0f) << 4) | ((bits >> 4) & 0x0f0f0f0f);
    memcpy(dst + 2 + 4 * j, &bits, sizeof bits);
  }
  const __m256 a = _mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3));
  const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
  const __m128 mean = _mm_mul_ps(_mm_add_ps(c, _mm_movehdup_ps(c)), _mm_set1_ps(1.0f / 128));
  const uint16_t d = static_cast<uint16_t>(_mm_extract_epi16(_mm_cvtps_ph(mean, _MM_FROUND_TO_NEAREST_INT), 0));
  memcpy(dst, &d, sizeof d);
}

extern "C" void quantize_q1_0_avx2_nibbles_exchanged(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 128, x += 128, out += 18) {
    quantize(out, x);
  }
}
