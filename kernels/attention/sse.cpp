#include "kernels/shared/sse.h"

#include "kernels/shared/sse_activations.h"

#include "kernels/attention/tile.h"

extern "C" attention_fn attention_sse;

namespace {

struct Sse {
  using Float = __m128;
  static constexpr size_t kLanes = 4;
  static constexpr size_t kRows = 1;

  static __m128 set1(float x) { return _mm_set1_ps(x); }
  static __m128 load(const float* p) { return _mm_loadu_ps(p); }
  static void store(float* p, __m128 v) { _mm_storeu_ps(p, v); }
  static __m128 add(__m128 x, __m128 y) { return _mm_add_ps(x, y); }
  static __m128 mul(__m128 x, __m128 y) { return _mm_mul_ps(x, y); }
  static __m128 fmadd(__m128 x, __m128 y, __m128 z) { return _mm_add_ps(_mm_mul_ps(x, y), z); }
  static __m128 max(__m128 x, __m128 y) { return _mm_max_ps(x, y); }
  static __m128 exp64(__m128 x) { return ::exp64(x); }
  static float sum(__m128 v) { return add_lanes(v); }
  static float largest(__m128 v) {
    const __m128 m = _mm_max_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
  }
#ifdef LAYOUT_f16
  static __m128 convert(const uint8_t* p) { return load_halves(p); }
#else
  static __m128 convert(const uint8_t* p, __m128 scale) {
    int32_t four;
    memcpy(&four, p, 4);
    return _mm_mul_ps(_mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(four))), scale);
  }
#endif
  static __m128 sums(const __m128 (&s)[4]) {
    const __m128 low = _mm_add_ps(_mm_unpacklo_ps(s[0], s[1]), _mm_unpackhi_ps(s[0], s[1]));
    const __m128 high = _mm_add_ps(_mm_unpacklo_ps(s[2], s[3]), _mm_unpackhi_ps(s[2], s[3]));
    return _mm_add_ps(_mm_movelh_ps(low, high), _mm_movehl_ps(high, low));
  }
};

}  // namespace

extern "C" void attention_sse(const attention_args* a) { attend<Sse>(a); }
