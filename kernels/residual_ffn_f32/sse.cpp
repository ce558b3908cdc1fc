#include "kernels/shared/sse.h"
#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_fn residual_ffn_f32_sse;

static inline __m128 combine(__m128 a, __m128 b, __m128 w) { return _mm_add_ps(_mm_add_ps(a, b), _mm_mul_ps(b, w)); }

extern "C" void residual_ffn_f32_sse(float* z, const float* a, const float* b, const float* w, size_t n) {
  elementwise<4>(z, n, combine, a, b, w);
}
