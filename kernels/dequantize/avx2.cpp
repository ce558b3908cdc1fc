#include "kernels/shared/avx2.h"

#include "kernels/dequantize/vectors.h"

extern "C" dequantize_fn dequantize_avx2;

namespace {

struct Avx2 {
  static constexpr size_t kLanes = 8;

  static void store(float* y, __m256 v) { _mm256_storeu_ps(y, v); }
#ifdef FORMAT_OF_FLOATS
  static __m256 weights(const uint8_t* p) {
#if defined LAYOUT_f32
    return _mm256_loadu_ps(reinterpret_cast<const float*>(p));
#else
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
#if defined LAYOUT_f16
    return _mm256_cvtph_ps(bits);
#else
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
#endif
#endif
  }
  static void rest(float* y, const uint8_t* p, size_t n) {
#if defined LAYOUT_f32
    const __m256i mask = mask_of(n);
    ::store(y, mask, load(reinterpret_cast<const float*>(p), mask));
#else  // there are no masks for words
    one_by_one(y, p, n);
#endif
  }
#else
  static __m256 set(float x) { return _mm256_set1_ps(x); }
  static __m256 floats(const int8_t* values) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(values))));
  }
  static __m256 mul(__m256 x, __m256 y) { return _mm256_mul_ps(x, y); }
  static __m256 madd(__m256 x, __m256 y, __m256 z) { return _mm256_fmadd_ps(x, y, z); }
#endif
};

}  // namespace

extern "C" void dequantize_avx2(float* y, const void* x, size_t n) { dequantize<Avx2>(y, x, n); }
