#include "kernels/shared/avx512.h"
#include "kernels/quantize_i8_s/kernel.h"
#include "kernels/quantize_i8_s/row.h"

extern "C" quantize_i8_s_fn quantize_i8_s_avx512;

extern "C" void quantize_i8_s_avx512(void* dst, const float* x, size_t n, float scale) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  __m512i m[4];
  m[0] = m[1] = m[2] = m[3] = _mm512_set1_epi32(kLeast);
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm512_max_epi32(m[j], magnitude(load(x + i + 16 * j)));
    }
  }
  if (i < n) {
    m[0] = _mm512_max_epi32(m[0], magnitude(load(x + i)));
    m[1] = _mm512_max_epi32(m[1], magnitude(load(x + i + 16)));
  }
  const int most =
      _mm512_reduce_max_epi32(_mm512_max_epi32(_mm512_max_epi32(m[0], m[1]), _mm512_max_epi32(m[2], m[3])));
  if (most >= 0x7f800000) {
    write_no_row(out, n);
    return;
  }
  const float inverse = 127.0f / _mm_cvtss_f32(_mm_castsi128_ps(_mm_cvtsi32_si128(most)));
  const __m512 factor = _mm512_set1_ps(inverse);
  // The codes are summed before they become bytes.
  __m512i sums[2];
  sums[0] = sums[1] = _mm512_setzero_si512();
  for (i = 0; i < n; i += 32) {
#pragma GCC unroll 2
    for (size_t j = 0; j < 2; ++j) {
      // vcvtps2dq rounds to nearest even, as MXCSR says by the ABI.
      const __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(load(x + i + 16 * j), factor));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + kHead + i + 16 * j), _mm512_cvtepi32_epi8(q));
      sums[j] = _mm512_add_epi32(sums[j], q);
    }
  }
  write_head(out, scale / inverse, _mm512_reduce_add_epi32(_mm512_add_epi32(sums[0], sums[1])));
}
