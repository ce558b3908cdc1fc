// defect: all products go into one sum
// class: floats
// stands for: a dot whose error grows with n, 16 times faster than the contract allows
// caught by: value
#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_scalar_one_running_sum;

extern "C" float dot_f32_scalar_one_running_sum(const float* x, const float* y, size_t n) {
  float sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += x[i] * y[i];
  }
  return sum;
}
