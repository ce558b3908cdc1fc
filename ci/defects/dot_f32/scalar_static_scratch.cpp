// defect: the partial sums are static
// class: races
// stands for: scratch shared by threads: a kernel that is not re-entrant
// caught by: threads interrupt
#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_scalar_static_scratch;

extern "C" float dot_f32_scalar_static_scratch(const float* x, const float* y, size_t n) {
  static float sums[16];
  for (float& s : sums) {
    s = 0;
  }
  for (size_t i = 0; i < n; ++i) {
    sums[i % 16] += x[i] * y[i];
  }
  float sum = 0;
  for (const float s : sums) {
    sum += s;
  }
  return sum;
}
