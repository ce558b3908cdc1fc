#include "kernels/shared/scalar.h"
#include "kernels/rms_norm_f32/kernel.h"
#include "kernels/shared/independent.h"

extern "C" rms_norm_f32_fn rms_norm_f32_scalar;

extern "C" void rms_norm_f32_scalar(float* y, const float* x, const float* w, float eps, size_t n) {
  float sums[32] = {};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (size_t j = 0; j < 32; ++j) {
      sums[j] += x[i + j] * x[i + j];
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    sums[j] += x[i] * x[i];
  }
  const float scale = 1.0f / __builtin_sqrtf(add_up(sums) / static_cast<float>(n) + eps);

  INDEPENDENT_ITERATIONS  // y may be x itself, but no other element of it
  for (i = 0; i < n; ++i) {
    y[i] = x[i] * scale * w[i];
  }
}
