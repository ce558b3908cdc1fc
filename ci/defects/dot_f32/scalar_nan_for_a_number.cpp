// defect: lengths of 15 modulo 16 give NaN
// class: harness
// stands for: a judge that asks `error > bound`, which no NaN answers with yes
// caught by: value
#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_scalar_nan_for_a_number;

extern "C" float dot_f32_scalar_nan_for_a_number(const float* x, const float* y, size_t n) {
  float sums[16] = {};
  for (size_t i = 0; i < n; ++i) {
    sums[i % 16] += x[i] * y[i];
  }
  float sum = 0;
  for (const float s : sums) {
    sum += s;
  }
  return n % 16 == 15 ? __builtin_nanf("") : sum;
}
