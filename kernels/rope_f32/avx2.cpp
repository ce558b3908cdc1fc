#include "kernels/shared/avx2.h"
#include "kernels/rope_f32/rope.h"

extern "C" rope_f32_fn rope_f32_avx2;

namespace {

struct Avx2 {
  using Double = __m256d;
  static constexpr size_t kDoubles = 4;
  static constexpr size_t kLanes = 8;

  static Double set(double x) { return _mm256_set1_pd(x); }
  static Double mul(Double x, Double y) { return _mm256_mul_pd(x, y); }
  static Double add(Double x, Double y) { return _mm256_add_pd(x, y); }
  static Double sub(Double x, Double y) { return _mm256_sub_pd(x, y); }
  static Double madd(Double x, Double y, Double z) { return _mm256_fmadd_pd(x, y, z); }
  static Double load_doubles(const double* p, size_t n) {
    const __m256i lanes = _mm256_set_epi64x(3, 2, 1, 0);
    return _mm256_maskload_pd(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(static_cast<int64_t>(n)), lanes));
  }
  static Double choose(Double bits, Double a, Double b) { return _mm256_blendv_pd(a, b, bits); }
  static Double flip(Double a, Double bits) { return _mm256_xor_pd(a, bits); }
  template <int bit>
  static Double to_sign(Double x) {
    return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_srli_epi64(_mm256_castpd_si256(x), bit), 63));
  }
  static void store_table(float* p, Double x) { _mm_storeu_ps(p, _mm256_cvtpd_ps(x)); }
  static void store_table_twice(float* p, Double x) {
    const __m128 floats = _mm256_cvtpd_ps(x);
    _mm_storeu_ps(p, _mm_unpacklo_ps(floats, floats));
    _mm_storeu_ps(p + 4, _mm_unpackhi_ps(floats, floats));
  }

  static __m256 load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, __m256 x) { _mm256_storeu_ps(p, x); }
  static __m256 load(const float* p, size_t n) { return _mm256_maskload_ps(p, mask_of(n)); }
  static void store(float* p, __m256 x, size_t n) { _mm256_maskstore_ps(p, mask_of(n), x); }
  static __m256 mul(__m256 x, __m256 y) { return _mm256_mul_ps(x, y); }
  static __m256 msub(__m256 x, __m256 y, __m256 z) { return _mm256_fmsub_ps(x, y, z); }
  static __m256 madd(__m256 x, __m256 y, __m256 z) { return _mm256_fmadd_ps(x, y, z); }
  static __m256 rotate(__m256 x, __m256 c, __m256 s) {
    return _mm256_fmaddsub_ps(x, c, _mm256_mul_ps(_mm256_permute_ps(x, 0xb1), s));
  }
};

}  // namespace

extern "C" void rope_f32_avx2(const struct rope_f32_args* a) { rope<Avx2>(a); }
