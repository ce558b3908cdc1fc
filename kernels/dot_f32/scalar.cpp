#include "kernels/shared/scalar.h"
#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_scalar;

extern "C" float dot_f32_scalar(const float* x, const float* y, size_t n) {
  float sums[32] = {};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (size_t j = 0; j < 32; ++j) {
      sums[j] += x[i + j] * y[i + j];
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    sums[j] += x[i] * y[i];
  }
  return add_up(sums);
}
