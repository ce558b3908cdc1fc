#include "kernels/shared/sse.h"
#include "kernels/quantize_q1_0/kernel.h"
#include "kernels/shared/scalar.h"

extern "C" quantize_q1_0_fn quantize_q1_0_sse;

static inline __m128i not_negative(__m128 x) { return _mm_castps_si128(_mm_cmpge_ps(x, _mm_setzero_ps())); }

static inline __m128 add_magnitude(__m128 s, __m128 x) {
  return _mm_add_ps(s, _mm_and_ps(x, _mm_castsi128_ps(_mm_set1_epi32(0x7fffffff))));
}

static inline void quantize(uint8_t* dst, const float* x) {
  // Four accumulators of four lanes hide the latency of the addition.
  __m128 s[4] = {_mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps()};
  for (int j = 0; j < 8; ++j) {
    const __m128 v0 = load(x + 16 * j);
    const __m128 v1 = load(x + 16 * j + 4);
    const __m128 v2 = load(x + 16 * j + 8);
    const __m128 v3 = load(x + 16 * j + 12);
    s[0] = add_magnitude(s[0], v0);
    s[1] = add_magnitude(s[1], v1);
    s[2] = add_magnitude(s[2], v2);
    s[3] = add_magnitude(s[3], v3);
    const __m128i low = _mm_packs_epi32(not_negative(v0), not_negative(v1));
    const __m128i high = _mm_packs_epi32(not_negative(v2), not_negative(v3));
    const uint16_t bits = static_cast<uint16_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
    memcpy(dst + 2 + 2 * j, &bits, sizeof bits);
  }
  const uint16_t d = half_of(add_up(s) * (1.0f / 128));
  memcpy(dst, &d, sizeof d);
}

extern "C" void quantize_q1_0_sse(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 128, x += 128, out += 18) {
    quantize(out, x);
  }
}
