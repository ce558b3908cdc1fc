// defect: static sums are taken by a flag that is tested and set in two steps
// class: races
// stands for: a lock without an atomic exchange: two threads see it free; a nested call has given it back
// caught by: threads
#include "kernels/rms_norm_f32/kernel.h"

extern "C" rms_norm_f32_fn rms_norm_f32_scalar_busy_flag_not_atomic;

extern "C" void rms_norm_f32_scalar_busy_flag_not_atomic(float* y, const float* x, const float* w, float eps,
                                                         size_t n) {
  static volatile bool busy;
  static volatile float shared[32];
  volatile float own[32];
  const bool mine = !busy;
  volatile float* sums = mine ? shared : own;
  if (mine) {
    busy = true;
  }
  for (size_t j = 0; j < 32; ++j) {
    sums[j] = 0;
  }
  for (size_t i = 0; i < n; ++i) {
    sums[i % 32] = sums[i % 32] + x[i] * x[i];
  }
  float sum = 0;
  for (size_t j = 0; j < 32; ++j) {
    sum += sums[j];
  }
  if (mine) {
    busy = false;
  }
  const float scale = 1.0f / __builtin_sqrtf(sum / static_cast<float>(n) + eps);
  for (size_t i = 0; i < n; ++i) {
    y[i] = x[i] * scale * w[i];
  }
}
