#include "kernels/shared/avx512.h"

#include "kernels/shared/avx512_activations.h"

#include "kernels/attention/tile.h"

extern "C" attention_fn attention_avx512;

namespace {

struct Avx512 {
  using Float = __m512;
  static constexpr size_t kLanes = 16;
  static constexpr size_t kRows = 4;

  static __m512 set1(float x) { return _mm512_set1_ps(x); }
  static __m512 load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, __m512 v) { _mm512_storeu_ps(p, v); }
  static __m512 add(__m512 x, __m512 y) { return _mm512_add_ps(x, y); }
  static __m512 mul(__m512 x, __m512 y) { return _mm512_mul_ps(x, y); }
  static __m512 fmadd(__m512 x, __m512 y, __m512 z) { return _mm512_fmadd_ps(x, y, z); }
  static __m512 max(__m512 x, __m512 y) { return _mm512_max_ps(x, y); }
  static __m512 exp64(__m512 x) { return ::exp64(x); }
  static float sum(__m512 v) { return _mm512_reduce_add_ps(v); }
  static float largest(__m512 v) { return _mm512_reduce_max_ps(v); }
#ifdef LAYOUT_f16
  static __m512 convert(const uint8_t* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
#else
  static __m512 convert(const uint8_t* p, __m512 scale) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)), scale);
  }
#endif
  static __m128 sums(const __m512 (&s)[4]) {
    const __m512 low = _mm512_add_ps(_mm512_unpacklo_ps(s[0], s[1]), _mm512_unpackhi_ps(s[0], s[1]));
    const __m512 high = _mm512_add_ps(_mm512_unpacklo_ps(s[2], s[3]), _mm512_unpackhi_ps(s[2], s[3]));
    const __m512 four = _mm512_add_ps(_mm512_shuffle_ps(low, high, 0x44), _mm512_shuffle_ps(low, high, 0xee));
    const __m256 two = _mm256_add_ps(_mm512_castps512_ps256(four), _mm512_extractf32x8_ps(four, 1));
    return _mm_add_ps(_mm256_castps256_ps128(two), _mm256_extractf128_ps(two, 1));
  }
};

}  // namespace

extern "C" void attention_avx512(const attention_args* a) { attend<Avx512>(a); }
