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
  static __m128 set(float x) { return _mm_set1_ps(x); }
  static __m128 floats(const int8_t* values) {
    int32_t four;
    memcpy(&four, values, sizeof four);
    return _mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(four)));
  }
  static __m128 mul(__m128 x, __m128 y) { return _mm_mul_ps(x, y); }
  static __m128 madd(__m128 x, __m128 y, __m128 z) { return _mm_add_ps(_mm_mul_ps(x, y), z); }
#endif
};

}  // namespace

extern "C" void dequantize_sse(float* y, const void* x, size_t n) { dequantize<Sse>(y, x, n); }
