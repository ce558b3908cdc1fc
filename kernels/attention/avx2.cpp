#include "kernels/shared/avx2.h"

#include "kernels/shared/avx2_activations.h"

#include "kernels/attention/tile.h"

extern "C" attention_fn attention_avx2;

namespace {

struct Avx2 {
  using Float = __m256;
  static constexpr size_t kLanes = 8;
  static constexpr size_t kRows = 2;

  static __m256 set1(float x) { return _mm256_set1_ps(x); }
  static __m256 load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, __m256 v) { _mm256_storeu_ps(p, v); }
  static __m256 add(__m256 x, __m256 y) { return _mm256_add_ps(x, y); }
  static __m256 mul(__m256 x, __m256 y) { return _mm256_mul_ps(x, y); }
  static __m256 fmadd(__m256 x, __m256 y, __m256 z) { return _mm256_fmadd_ps(x, y, z); }
  static __m256 max(__m256 x, __m256 y) { return _mm256_max_ps(x, y); }
  static __m256 exp64(__m256 x) { return ::exp64(x); }
  static float sum(__m256 v) { return add_lanes(v); }
  static float largest(__m256 v) {
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
  }
#ifdef LAYOUT_f16
  static __m256 convert(const uint8_t* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
#else
  static __m256 convert(const uint8_t* p, __m256 scale) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)), scale);
  }
#endif
  static __m128 sums(const __m256 (&s)[4]) {
    const __m256 low = _mm256_add_ps(_mm256_unpacklo_ps(s[0], s[1]), _mm256_unpackhi_ps(s[0], s[1]));
    const __m256 high = _mm256_add_ps(_mm256_unpacklo_ps(s[2], s[3]), _mm256_unpackhi_ps(s[2], s[3]));
    const __m256 four = _mm256_add_ps(_mm256_shuffle_ps(low, high, 0x44), _mm256_shuffle_ps(low, high, 0xee));
    return _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps(four, 1));
  }
};

}  // namespace

extern "C" void attention_avx2(const attention_args* a) { attend<Avx2>(a); }
