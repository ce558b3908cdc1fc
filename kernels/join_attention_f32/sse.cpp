#include "kernels/shared/sse.h"

#include "kernels/join_attention_f32/vectors.h"

extern "C" join_attention_f32_fn join_attention_f32_sse;

namespace {

struct Sse {
  static constexpr size_t kLanes = 4;
  static __m128 set1(float x) { return _mm_set1_ps(x); }
  static __m128 fmadd(__m128 x, __m128 y, __m128 z) { return _mm_add_ps(_mm_mul_ps(x, y), z); }
  static float first(__m128 v) { return _mm_cvtss_f32(v); }
};

}  // namespace

extern "C" void join_attention_f32_sse(const join_attention_f32_args* a) {
  join_parts<Sse>(a, [a](const float* weights, size_t e) {
    for (; e < a->n; ++e) {
      join_vectors<Sse, 1>(
          a, weights, e, [](const float* p) { return load_one(p); }, [](float* p, __m128 v) { store_one(p, v); });
    }
  });
}
