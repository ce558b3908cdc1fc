// defect: the partial sums are static, and kept from a nested call of the same thread only
// class: races
// stands for: scratch that is safe in signal handlers and not in threads: `in use` is thread_local, what it protects is not
// caught by: threads
#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_scalar_depth_of_each_thread;

static float dot(const float* x, const float* y, size_t n, float* sums) {
  for (size_t j = 0; j < 16; ++j) {
    sums[j] = 0;
  }
  for (size_t i = 0; i < n; ++i) {
    sums[i % 16] += x[i] * y[i];
  }
  float sum = 0;
  for (size_t j = 0; j < 16; ++j) {
    sum += sums[j];
  }
  return sum;
}

extern "C" float dot_f32_scalar_depth_of_each_thread(const float* x, const float* y, size_t n) {
  static float shared[16];
  static thread_local volatile bool in_use;
  if (in_use) {
    float own[16];
    return dot(x, y, n, own);
  }
  in_use = true;
  const float sum = dot(x, y, n, shared);
  in_use = false;
  return sum;
}
