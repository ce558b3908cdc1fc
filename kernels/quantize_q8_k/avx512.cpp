#include "kernels/shared/avx512.h"
#include "kernels/quantize_q8_k/kernel.h"

extern "C" quantize_q8_k_fn quantize_q8_k_avx512;

// The first element whose magnitude has these bits.
static inline float first_of(const float* x, __m512i largest) {
  for (;; x += 16) {
    const __mmask16 found = _mm512_cmpeq_epi32_mask(magnitude(load(x)), largest);
    if (found != 0) {
      return x[__builtin_ctz(found)];
    }
  }
}

static inline void quantize(uint8_t* dst, const float* x) {
  __m512i m[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    m[j] = magnitude(load(x + 16 * j));
  }
#pragma GCC unroll 3
  for (size_t i = 64; i < 256; i += 64) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      m[j] = _mm512_max_epi32(m[j], magnitude(load(x + i + 16 * j)));
    }
  }
  const __m512i m16 = _mm512_max_epi32(_mm512_max_epi32(m[0], m[1]), _mm512_max_epi32(m[2], m[3]));
  const int largest = _mm512_reduce_max_epi32(m16);
  const float inverse = -127.0f / first_of(x, _mm512_set1_epi32(largest));
  if (largest >= 0x7f800000 || inverse - inverse != 0) {
    memset(dst, 0, 292);
    const uint32_t d = largest >= 0x7f800000 ? 0x7fc00000 : 0;
    memcpy(dst, &d, sizeof d);
    return;
  }
  const float d = 1.0f / inverse;
  memcpy(dst, &d, sizeof d);
  const __m512 factor = _mm512_set1_ps(inverse);
#pragma GCC unroll 4
  for (size_t j = 0; j < 16; ++j) {
    // vcvtps2dq rounds to nearest even, as MXCSR says by the ABI.
    const __m128i q = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(load(x + 16 * j), factor)));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + 4 + 16 * j), q);
    // The sum of 16 codes: that of code + 128, less 16 * 128.
    const __m128i eight = _mm_sad_epu8(_mm_xor_si128(q, _mm_set1_epi8(-128)), _mm_setzero_si128());
    const int sum = _mm_cvtsi128_si32(_mm_add_epi32(eight, _mm_shuffle_epi32(eight, 0x4e))) - 16 * 128;
    const uint16_t word = static_cast<uint16_t>(sum);
    memcpy(dst + 260 + 2 * j, &word, sizeof word);
  }
}

extern "C" void quantize_q8_k_avx512(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 256, x += 256, out += 292) {
    quantize(out, x);
  }
}
