#include "kernels/layer_norm_f32/kernel.h"
#include "kernels/shared/avx2_layer_norm.h"

extern "C" layer_norm_f32_fn layer_norm_f32_avx2;

extern "C" void layer_norm_f32_avx2(float* y, const float* x, const float* w, const float* b, float eps, size_t n) {
  const auto add = [](__m256 s, __m256 v) { return _mm256_add_ps(s, v); };
  normalise_row(y, x, w, b, eps, n, accumulate(n, add, x));
}
