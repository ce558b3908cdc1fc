#include "kernels/shared/avx512.h"

#include "kernels/join_attention_f32/vectors.h"

extern "C" join_attention_f32_fn join_attention_f32_avx512;

namespace {

struct Avx512 {
  static constexpr size_t kLanes = 16;
  static __m512 set1(float x) { return _mm512_set1_ps(x); }
  static __m512 fmadd(__m512 x, __m512 y, __m512 z) { return _mm512_fmadd_ps(x, y, z); }
  static float first(__m512 v) { return _mm512_cvtss_f32(v); }
};

}  // namespace

extern "C" void join_attention_f32_avx512(const join_attention_f32_args* a) {
  join_parts<Avx512>(a, [a](const float* weights, size_t e) {
    if (e < a->n) {
      const auto mask = mask_of(a->n - e);
      join_vectors<Avx512, 1>(
          a, weights, e, [mask](const float* p) { return load(p, mask); },
          [mask](float* p, __m512 v) { store(p, mask, v); });
    }
  });
}
