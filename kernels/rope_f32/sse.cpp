#include "kernels/shared/sse.h"
#include "kernels/rope_f32/rope.h"

extern "C" rope_f32_fn rope_f32_sse;

namespace {

struct Sse {
  using Double = __m128d;
  static constexpr size_t kDoubles = 2;
  static constexpr size_t kLanes = 4;

  static Double set(double x) { return _mm_set1_pd(x); }
  static Double mul(Double x, Double y) { return _mm_mul_pd(x, y); }
  static Double add(Double x, Double y) { return _mm_add_pd(x, y); }
  static Double sub(Double x, Double y) { return _mm_sub_pd(x, y); }
  static Double madd(Double x, Double y, Double z) { return _mm_add_pd(_mm_mul_pd(x, y), z); }
  static Double load_doubles(const double* p, size_t n) { return n == 2 ? _mm_loadu_pd(p) : _mm_load_sd(p); }
  static Double choose(Double bits, Double a, Double b) { return _mm_blendv_pd(a, b, bits); }
  static Double flip(Double a, Double bits) { return _mm_xor_pd(a, bits); }
  template <int bit>
  static Double to_sign(Double x) {
    return _mm_castsi128_pd(_mm_slli_epi64(_mm_srli_epi64(_mm_castpd_si128(x), bit), 63));
  }
  static void store_table(float* p, Double x) { _mm_storel_pi(reinterpret_cast<__m64*>(p), _mm_cvtpd_ps(x)); }
  static void store_table_twice(float* p, Double x) {
    const __m128 floats = _mm_cvtpd_ps(x);
    _mm_storeu_ps(p, _mm_unpacklo_ps(floats, floats));
  }

  static __m128 load(const float* p) { return _mm_loadu_ps(p); }
  static void store(float* p, __m128 x) { _mm_storeu_ps(p, x); }
  static __m128 load(const float* p, size_t n) {
    float part[kLanes] = {};
    for (size_t i = 0; i < n; ++i) {
      part[i] = p[i];
    }
    return _mm_loadu_ps(part);
  }
  static void store(float* p, __m128 x, size_t n) {
    float part[kLanes];
    _mm_storeu_ps(part, x);
    for (size_t i = 0; i < n; ++i) {
      p[i] = part[i];
    }
  }
  static __m128 mul(__m128 x, __m128 y) { return _mm_mul_ps(x, y); }
  static __m128 msub(__m128 x, __m128 y, __m128 z) { return _mm_sub_ps(_mm_mul_ps(x, y), z); }
  static __m128 madd(__m128 x, __m128 y, __m128 z) { return _mm_add_ps(_mm_mul_ps(x, y), z); }
  static __m128 rotate(__m128 x, __m128 c, __m128 s) {
    return _mm_addsub_ps(_mm_mul_ps(x, c), _mm_mul_ps(_mm_shuffle_ps(x, x, 0xb1), s));
  }
};

}  // namespace

extern "C" void rope_f32_sse(const struct rope_f32_args* a) { rope<Sse>(a); }
