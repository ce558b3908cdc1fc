#include <string.h>

#include "kernels/quantize_q8_k/kernel.h"
#include "kernels/shared/sse.h"

extern "C" quantize_q8_k_fn quantize_q8_k_sse;

// cvtps2dq rounds to nearest even, as MXCSR says by the ABI.
static inline __m128i scaled(__m128 x, __m128 inverse) { return _mm_cvtps_epi32(_mm_mul_ps(x, inverse)); }

// The first element whose magnitude has these bits.
static inline float first_of(const float* x, __m128i largest) {
  for (;; x += 4) {
    int found = _mm_movemask_ps(_mm_castsi128_ps(_mm_cmpeq_epi32(magnitude(load(x)), largest)));
    for (size_t i = 0; found != 0;
         ++i, found >>= 1) {  // for __builtin_ctz GCC has TZCNT here too, which is later than SSE
      if ((found & 1) != 0) {
        return x[i];
      }
    }
  }
}

// The sum of 16 codes: that of code + 128, less 16 * 128.
static inline int16_t sum_of(__m128i q) {
  const __m128i eight = _mm_sad_epu8(_mm_xor_si128(q, _mm_set1_epi8(-128)), _mm_setzero_si128());
  return static_cast<int16_t>(_mm_cvtsi128_si32(_mm_add_epi32(eight, _mm_shuffle_epi32(eight, 0x4e))) - 16 * 128);
}

static inline void quantize(uint8_t* dst, const float* x) {
  __m128i m = _mm_setzero_si128();
#pragma GCC unroll 4
  for (size_t i = 0; i < 256; i += 4) {
    m = _mm_max_epi32(m, magnitude(load(x + i)));
  }
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
  const int largest = _mm_cvtsi128_si32(m);
  const float inverse = -127.0f / first_of(x, m);
  if (largest >= 0x7f800000 || inverse - inverse != 0) {
    memset(dst, 0, 292);
    const uint32_t d = largest >= 0x7f800000 ? 0x7fc00000 : 0;
    memcpy(dst, &d, sizeof d);
    return;
  }
  const float d = 1.0f / inverse;
  memcpy(dst, &d, sizeof d);
  const __m128 factor = _mm_set1_ps(inverse);
  for (size_t j = 0; j < 16; ++j, x += 16) {
    const __m128i low = _mm_packs_epi32(scaled(load(x), factor), scaled(load(x + 4), factor));
    const __m128i high = _mm_packs_epi32(scaled(load(x + 8), factor), scaled(load(x + 12), factor));
    const __m128i q = _mm_packs_epi16(low, high);
    const int16_t sum = sum_of(q);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + 4 + 16 * j), q);
    memcpy(dst + 260 + 2 * j, &sum, sizeof sum);
  }
}

extern "C" void quantize_q8_k_sse(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 256, x += 256, out += 292) {
    quantize(out, x);
  }
}
