// defect: the mean becomes fp16 by cutting its low bits off
// class: integers
// stands for: truncation where rounding is meant, in a float to half conversion
// caught by: value
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernels/quantize_q1_0/kernel.h"

extern "C" quantize_q1_0_fn quantize_q1_0_sse_d_truncated;

static inline uint32_t bits_of(float f) {
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  return bits;
}

// fp16 nearest to f >= 0 or NaN, ties to even. After F. Giesen, float_to_half_fast3_rtne
// (https://gist.github.com/rygorous/2156668): 0x38800000 is 2^-14, the smallest normal fp16; 0x47800000 is 2^16.
static inline uint16_t half_of(float f) {
  const uint32_t bits = bits_of(f) & 0x7fffffffu;
  if (bits >= 0x47800000u) {
    return bits > 0x7f800000u ? 0x7e00 : 0x7c00;
  }
  if (bits < 0x38800000u) {  // a step of 0.5 is 2^-24, that of subnormal fp16: the addition rounds
    return static_cast<uint16_t>(bits_of(f + 0.5f) - bits_of(0.5f));
  }
  // Another bias (15 for 127).
  return static_cast<uint16_t>((bits - (112u << 23)) >> 13);
}

static inline __m128i not_negative(__m128 x) { return _mm_castps_si128(_mm_cmpge_ps(x, _mm_setzero_ps())); }

static inline __m128 add_magnitude(__m128 s, __m128 x) {
  return _mm_add_ps(s, _mm_and_ps(x, _mm_castsi128_ps(_mm_set1_epi32(0x7fffffff))));
}

static inline void quantize(uint8_t* dst, const float* x) {
  // Four accumulators of four lanes hide the latency of the addition.
  __m128 s0 = _mm_setzero_ps();
  __m128 s1 = s0;
  __m128 s2 = s0;
  __m128 s3 = s0;
  for (int j = 0; j < 8; ++j) {
    const __m128 v0 = _mm_loadu_ps(x + 16 * j);
    const __m128 v1 = _mm_loadu_ps(x + 16 * j + 4);
    const __m128 v2 = _mm_loadu_ps(x + 16 * j + 8);
    const __m128 v3 = _mm_loadu_ps(x + 16 * j + 12);
    s0 = add_magnitude(s0, v0);
    s1 = add_magnitude(s1, v1);
    s2 = add_magnitude(s2, v2);
    s3 = add_magnitude(s3, v3);
    const __m128i low = _mm_packs_epi32(not_negative(v0), not_negative(v1));
    const __m128i high = _mm_packs_epi32(not_negative(v2), not_negative(v3));
    const uint16_t bits = static_cast<uint16_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
    memcpy(dst + 2 + 2 * j, &bits, sizeof bits);
  }
  const __m128 s = _mm_add_ps(_mm_add_ps(s0, s1), _mm_add_ps(s2, s3));
  const __m128 pairs = _mm_add_ps(s, _mm_movehl_ps(s, s));
  const float sum = _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
  const uint16_t d = half_of(sum * (1.0f / 128));
  memcpy(dst, &d, sizeof d);
}

extern "C" void quantize_q1_0_sse_d_truncated(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 128, x += 128, out += 18) {
    quantize(out, x);
  }
}
