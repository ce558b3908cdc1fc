#include "kernels/shared/sse.h"

#include "kernels/dequantize/vectors.h"

extern "C" dequantize_fn dequantize_sse;

namespace {

struct Sse {
  static constexpr size_t kLanes = 4;

  static void store(float* y, __m128 v) { _mm_storeu_ps(y, v); }
#ifdef FORMAT_OF_FLOATS
  static __m128 weights(const uint8_t* p) {
#if defined LAYOUT_f32
    return _mm_loadu_ps(reinterpret_cast<const float*>(p));
#elif defined LAYOUT_f16
    return load_halves(p);
#else
    const __m128i bits = _mm_cvtepu16_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
    return _mm_castsi128_ps(_mm_slli_epi32(bits, 16));
#endif
  }
  static void rest(float* y, const uint8_t* p, size_t n) { one_by_one(y, p, n); }
#else
  static __m128 scale(uint16_t half) { return _mm_set1_ps(half_to_float(half)); }
  static __m128 product(const uint8_t* codes, __m128 d) {
    int32_t four;
    memcpy(&four, codes, sizeof four);
    const __m128i wide = _mm_cvtepu8_epi32(_mm_cvtsi32_si128(four));
    return _mm_mul_ps(_mm_cvtepi32_ps(_mm_sub_epi32(wide, _mm_set1_epi32(code_of_zero()))), d);
  }
#endif
};

}  // namespace

extern "C" void dequantize_sse(float* y, const void* x, size_t n) { dequantize<Sse>(y, x, n); }
