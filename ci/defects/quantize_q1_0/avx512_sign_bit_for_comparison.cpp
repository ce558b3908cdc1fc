// defect: the sign bit is taken, not x >= 0: -0 counts as negative and a positive NaN as not
// class: floats
// stands for: -0 and NaN forgotten where a sign bit replaces a comparison
// caught by: value
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/quantize_q1_0/kernel.h"

extern "C" quantize_q1_0_fn quantize_q1_0_avx512_sign_bit_for_comparison;

static inline void quantize(uint8_t* dst, const float* x) {
  __m512 s[8];
#pragma GCC unroll 8
  for (int j = 0; j < 8; ++j) {
    const __m512 v = _mm512_loadu_ps(x + 16 * j);
    s[j] = _mm512_abs_ps(v);
    const __mmask16 bits = static_cast<__mmask16>(~_mm512_movepi32_mask(_mm512_castps_si512(v)));
    memcpy(dst + 2 + 2 * j, &bits, sizeof bits);
  }
  const __m512 low = _mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3]));
  const __m512 high = _mm512_add_ps(_mm512_add_ps(s[4], s[5]), _mm512_add_ps(s[6], s[7]));
  const float mean = _mm512_reduce_add_ps(_mm512_add_ps(low, high)) * (1.0f / 128);
  const __m128i half = _mm_cvtps_ph(_mm_set_ss(mean), _MM_FROUND_TO_NEAREST_INT);
  const uint16_t d = static_cast<uint16_t>(_mm_extract_epi16(half, 0));
  memcpy(dst, &d, sizeof d);
}

extern "C" void quantize_q1_0_avx512_sign_bit_for_comparison(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 128, x += 128, out += 18) {
    quantize(out, x);
  }
}
