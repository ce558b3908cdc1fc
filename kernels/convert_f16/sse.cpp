#include "kernels/shared/sse.h"
#include "kernels/convert_f16/kernel.h"

extern "C" convert_f16_fn convert_f16_sse;

// Four fp16 in the low words of the lanes. The steps are explained in scalar.cpp.
static inline __m128i halves(__m128 x) {
  const __m128i bits = _mm_castps_si128(x);
  const __m128i m = magnitude(x);
  const __m128i odd = _mm_and_si128(_mm_srli_epi32(m, 13), _mm_set1_epi32(1));
  const __m128i normal = _mm_srli_epi32(_mm_add_epi32(_mm_add_epi32(m, _mm_set1_epi32(0xfff - (112 << 23))), odd), 13);
  const __m128 half_more = _mm_add_ps(_mm_castsi128_ps(m), _mm_set1_ps(0.5f));
  const __m128i subnormal = _mm_sub_epi32(_mm_castps_si128(half_more), _mm_castps_si128(_mm_set1_ps(0.5f)));
  __m128i half = _mm_blendv_epi8(normal, subnormal, _mm_cmplt_epi32(m, _mm_set1_epi32(0x38800000)));
  half = _mm_blendv_epi8(half, _mm_set1_epi32(0x7c00), _mm_cmpgt_epi32(m, _mm_set1_epi32(0x477fefff)));
  half = _mm_blendv_epi8(half, _mm_set1_epi32(0x7e00), _mm_cmpgt_epi32(m, _mm_set1_epi32(0x7f800000)));
  return _mm_or_si128(half, _mm_and_si128(_mm_srli_epi32(bits, 16), _mm_set1_epi32(0x8000)));
}

extern "C" void convert_f16_sse(uint16_t* y, const float* x, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i), _mm_packus_epi32(halves(load(x + i)), halves(load(x + i + 4))));
  }
  for (; i < n; ++i) {
    y[i] = static_cast<uint16_t>(_mm_cvtsi128_si32(halves(load_one(x + i))));
  }
}
