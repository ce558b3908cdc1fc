// defect: the middle element of a row of 1000 or more is 2^-11 too large
// class: harness
// stands for: a judge that compares norms of whole tensors, in which one element vanishes: here under 2e-5 of the norm
// caught by: value
#include "kernels/rms_norm_f32/kernel.h"

extern "C" rms_norm_f32_fn rms_norm_f32_scalar_one_element_of_many;

extern "C" void rms_norm_f32_scalar_one_element_of_many(float* y, const float* x, const float* w, float eps, size_t n) {
  float sums[32] = {};
  for (size_t i = 0; i < n; ++i) {
    sums[i % 32] += x[i] * x[i];
  }
  float sum = 0;
  for (const float s : sums) {
    sum += s;
  }
  const float scale = 1.0f / __builtin_sqrtf(sum / static_cast<float>(n) + eps);
  for (size_t i = 0; i < n; ++i) {
    y[i] = x[i] * scale * w[i];
  }
  if (n >= 1000) {
    y[n / 2] *= 1 + 0x1p-11f;
  }
}
