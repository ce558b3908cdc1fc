#include "kernels/shared/avx512.h"
#include "kernels/rope_f32/rope.h"

extern "C" rope_f32_fn rope_f32_avx512;

namespace {

struct Avx512 {
  using Double = __m512d;
  static constexpr size_t kDoubles = 8;
  static constexpr size_t kLanes = 16;

  static Double set(double x) { return _mm512_set1_pd(x); }
  static Double mul(Double x, Double y) { return _mm512_mul_pd(x, y); }
  static Double add(Double x, Double y) { return _mm512_add_pd(x, y); }
  static Double sub(Double x, Double y) { return _mm512_sub_pd(x, y); }
  static Double madd(Double x, Double y, Double z) { return _mm512_fmadd_pd(x, y, z); }
  static Double load_doubles(const double* p, size_t n) {
    return _mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << n) - 1), p);
  }
  static Double choose(Double bits, Double a, Double b) {
    return _mm512_mask_blend_pd(_mm512_movepi64_mask(_mm512_castpd_si512(bits)), a, b);
  }
  static Double flip(Double a, Double bits) { return _mm512_xor_pd(a, bits); }
  template <int bit>
  static Double to_sign(Double x) {
    return _mm512_castsi512_pd(_mm512_slli_epi64(_mm512_srli_epi64(_mm512_castpd_si512(x), bit), 63));
  }
  static void store_table(float* p, Double x) { _mm256_storeu_ps(p, _mm512_cvtpd_ps(x)); }
  static void store_table_twice(float* p, Double x) {
    const __m512i twice = _mm512_set_epi32(7, 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0, 0);
    _mm512_storeu_ps(p, _mm512_permutexvar_ps(twice, _mm512_castps256_ps512(_mm512_cvtpd_ps(x))));
  }

  static __m512 load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, __m512 x) { _mm512_storeu_ps(p, x); }
  static __m512 load(const float* p, size_t n) { return _mm512_maskz_loadu_ps(mask_of(n), p); }
  static void store(float* p, __m512 x, size_t n) { _mm512_mask_storeu_ps(p, mask_of(n), x); }
  static __m512 mul(__m512 x, __m512 y) { return _mm512_mul_ps(x, y); }
  static __m512 msub(__m512 x, __m512 y, __m512 z) { return _mm512_fmsub_ps(x, y, z); }
  static __m512 madd(__m512 x, __m512 y, __m512 z) { return _mm512_fmadd_ps(x, y, z); }
  static __m512 rotate(__m512 x, __m512 c, __m512 s) {
    return _mm512_fmaddsub_ps(x, c, _mm512_mul_ps(_mm512_permute_ps(x, 0xb1), s));
  }
};

}  // namespace

extern "C" void rope_f32_avx512(const struct rope_f32_args* a) { rope<Avx512>(a); }
