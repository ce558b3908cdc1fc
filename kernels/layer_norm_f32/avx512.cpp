#include "kernels/layer_norm_f32/kernel.h"
#include "kernels/shared/avx512_layer_norm.h"

extern "C" layer_norm_f32_fn layer_norm_f32_avx512;

extern "C" void layer_norm_f32_avx512(float* y, const float* x, const float* w, const float* b, float eps, size_t n) {
  const auto add = [](__m512 s, __m512 v) { return _mm512_add_ps(s, v); };
  normalise_row(y, x, w, b, eps, n, accumulate(n, add, x));
}
