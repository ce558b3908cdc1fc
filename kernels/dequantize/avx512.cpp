#include "kernels/shared/avx512.h"

#include "kernels/dequantize/vectors.h"

extern "C" dequantize_fn dequantize_avx512;

namespace {

struct Avx512 {
  static constexpr size_t kLanes = 16;

  static void store(float* y, __m512 v) { _mm512_storeu_ps(y, v); }
#ifdef FORMAT_OF_FLOATS
#if defined LAYOUT_f32
  static __m512 weights(const uint8_t* p) { return _mm512_loadu_ps(p); }
  static __m512 weights(const uint8_t* p, __mmask16 mask) { return _mm512_maskz_loadu_ps(mask, p); }
#else
  static __m512 weights(const uint8_t* p) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static __m512 weights(const uint8_t* p, __mmask16 mask) { return widen(_mm256_maskz_loadu_epi16(mask, p)); }
  static __m512 widen(__m256i bits) {
#if defined LAYOUT_f16
    return _mm512_cvtph_ps(bits);
#else
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
#endif
  }
#endif
  static void rest(float* y, const uint8_t* p, size_t n) {
    const __mmask16 mask = mask_of(n);
    ::store(y, mask, weights(p, mask));
  }
#else
  static __m512 set(float x) { return _mm512_set1_ps(x); }
  static __m512 floats(const int8_t* values) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values))));
  }
  static __m512 mul(__m512 x, __m512 y) { return _mm512_mul_ps(x, y); }
  static __m512 madd(__m512 x, __m512 y, __m512 z) { return _mm512_fmadd_ps(x, y, z); }
#endif
};

}  // namespace

extern "C" void dequantize_avx512(float* y, const void* x, size_t n) { dequantize<Avx512>(y, x, n); }
