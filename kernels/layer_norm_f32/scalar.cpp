#include "kernels/layer_norm_f32/kernel.h"
#include "kernels/shared/scalar_layer_norm.h"

extern "C" layer_norm_f32_fn layer_norm_f32_scalar;

extern "C" void layer_norm_f32_scalar(float* y, const float* x, const float* w, const float* b, float eps, size_t n) {
  float sums[32] = {};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (size_t j = 0; j < 32; ++j) {
      sums[j] += x[i + j];
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    sums[j] += x[i];
  }
  normalise_row(y, x, w, b, eps, n, sums);
}
