#include "kernels/layer_norm_f32/kernel.h"
#include "kernels/shared/sse_layer_norm.h"

extern "C" layer_norm_f32_fn layer_norm_f32_sse;

extern "C" void layer_norm_f32_sse(float* y, const float* x, const float* w, const float* b, float eps, size_t n) {
  const auto add = [](__m128 s, __m128 v) { return _mm_add_ps(s, v); };
  normalise_row(y, x, w, b, eps, n, accumulate(n, add, x));
}
