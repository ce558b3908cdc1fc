// defect: 1 / (sqrt(mean) + eps) in place of 1 / sqrt(mean + eps)
// class: floats
// stands for: epsilon on the wrong side of a bracket
// caught by: value
#include "kernels/rms_norm_f32/kernel.h"

extern "C" rms_norm_f32_fn rms_norm_f32_scalar_eps_outside_the_root;

// 32 partial sums: the contract wants 16, and the compiler (auto_v2 .. auto_v4) may keep them in vectors.
extern "C" void rms_norm_f32_scalar_eps_outside_the_root(float* y, const float* x, const float* w, float eps,
                                                         size_t n) {
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
  for (size_t half = 16; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) {
      sums[j] += sums[j + half];
    }
  }
  const float scale = 1.0f / (__builtin_sqrtf(sums[0] / static_cast<float>(n)) + eps);

#pragma GCC ivdep  // y may be x itself, but no other element of it: iterations are independent
  for (i = 0; i < n; ++i) {
    y[i] = x[i] * scale * w[i];
  }
}
