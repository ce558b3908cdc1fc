#include "kernels/shared/avx2.h"

#include "kernels/join_attention_f32/vectors.h"

extern "C" join_attention_f32_fn join_attention_f32_avx2;

namespace {

struct Avx2 {
  static constexpr size_t kLanes = 8;
  static __m256 set1(float x) { return _mm256_set1_ps(x); }
  static __m256 fmadd(__m256 x, __m256 y, __m256 z) { return _mm256_fmadd_ps(x, y, z); }
  static float first(__m256 v) { return _mm256_cvtss_f32(v); }
};

}  // namespace

extern "C" void join_attention_f32_avx2(const join_attention_f32_args* a) {
  join_parts<Avx2>(a, [a](const float* weights, size_t e) {
    if (e < a->n) {
      const auto mask = mask_of(a->n - e);
      join_vectors<Avx2, 1>(
          a, weights, e, [mask](const float* p) { return load(p, mask); },
          [mask](float* p, __m256 v) { store(p, mask, v); });
    }
  });
}
