#include "kernels/shared/avx2.h"
#include "kernels/quantize_i8_s/kernel.h"
#include "kernels/quantize_i8_s/row.h"

extern "C" quantize_i8_s_fn quantize_i8_s_avx2;

// vcvtps2dq rounds to nearest even, as MXCSR says by the ABI.
static inline __m256i scaled(const float* x, __m256 inverse) {
  return _mm256_cvtps_epi32(_mm256_mul_ps(load(x), inverse));
}

extern "C" void quantize_i8_s_avx2(void* dst, const float* x, size_t n, float scale) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  __m256i m[4];
  m[0] = m[1] = m[2] = m[3] = _mm256_set1_epi32(kLeast);
  for (size_t i = 0; i < n; i += 32) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm256_max_epi32(m[j], magnitude(load(x + i + 8 * j)));
    }
  }
  const __m256i m8 = _mm256_max_epi32(_mm256_max_epi32(m[0], m[1]), _mm256_max_epi32(m[2], m[3]));
  __m128i most = _mm_max_epi32(_mm256_castsi256_si128(m8), _mm256_extracti128_si256(m8, 1));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1));
  if (_mm_cvtsi128_si32(most) >= 0x7f800000) {
    write_no_row(out, n);
    return;
  }
  const float inverse = 127.0f / _mm_cvtss_f32(_mm_castsi128_ps(most));
  const __m256 factor = _mm256_set1_ps(inverse);
  // The packs work within 128-bit lanes: groups of four values come out as 0 2 4 6 1 3 5 7.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  // The sum of code + 128, in four parts, less n * 128.
  __m256i sums = _mm256_setzero_si256();
  for (size_t i = 0; i < n; i += 32) {
    const __m256i low = _mm256_packs_epi32(scaled(x + i, factor), scaled(x + i + 8, factor));
    const __m256i high = _mm256_packs_epi32(scaled(x + i + 16, factor), scaled(x + i + 24, factor));
    const __m256i q = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + kHead + i), q);
    const __m256i positive = _mm256_xor_si256(q, _mm256_set1_epi8(-128));
    sums = _mm256_add_epi64(sums, _mm256_sad_epu8(positive, _mm256_setzero_si256()));
  }
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  const int64_t sum = _mm_cvtsi128_si64(_mm_add_epi64(two, _mm_shuffle_epi32(two, 0x4e)));
  write_head(out, scale / inverse, static_cast<int>(sum - static_cast<int64_t>(128 * n)));
}
