#include "kernels/shared/sse.h"
#include "kernels/quantize_i8_s/kernel.h"
#include "kernels/quantize_i8_s/row.h"

extern "C" quantize_i8_s_fn quantize_i8_s_sse;

// cvtps2dq rounds to nearest even, as MXCSR says by the ABI.
static inline __m128i scaled(const float* x, __m128 inverse) { return _mm_cvtps_epi32(_mm_mul_ps(load(x), inverse)); }

extern "C" void quantize_i8_s_sse(void* dst, const float* x, size_t n, float scale) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  __m128i m[4];
  m[0] = m[1] = m[2] = m[3] = _mm_set1_epi32(kLeast);
  for (size_t i = 0; i < n; i += 16) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm_max_epi32(m[j], magnitude(load(x + i + 4 * j)));
    }
  }
  __m128i most = _mm_max_epi32(_mm_max_epi32(m[0], m[1]), _mm_max_epi32(m[2], m[3]));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0x4e));
  most = _mm_max_epi32(most, _mm_shuffle_epi32(most, 0xb1));
  if (_mm_cvtsi128_si32(most) >= 0x7f800000) {
    write_no_row(out, n);
    return;
  }
  const float inverse = 127.0f / _mm_cvtss_f32(_mm_castsi128_ps(most));
  const __m128 factor = _mm_set1_ps(inverse);
  // The sum of code + 128, in two halves, less n * 128.
  __m128i sums = _mm_setzero_si128();
  for (size_t i = 0; i < n; i += 16) {
    const __m128i low = _mm_packs_epi32(scaled(x + i, factor), scaled(x + i + 4, factor));
    const __m128i high = _mm_packs_epi32(scaled(x + i + 8, factor), scaled(x + i + 12, factor));
    const __m128i q = _mm_packs_epi16(low, high);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + kHead + i), q);
    sums = _mm_add_epi64(sums, _mm_sad_epu8(_mm_xor_si128(q, _mm_set1_epi8(-128)), _mm_setzero_si128()));
  }
  const int64_t sum = _mm_cvtsi128_si64(_mm_add_epi64(sums, _mm_shuffle_epi32(sums, 0x4e)));
  write_head(out, scale / inverse, static_cast<int>(sum - static_cast<int64_t>(128 * n)));
}
