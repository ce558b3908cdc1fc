#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_scalar;

// 32 partial sums: the contract wants 16, and the compiler (auto_v2 .. auto_v4) may keep them in vectors, which it may
// not do with one running sum as addition is not associative.
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
  for (size_t half = 16; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) {
      sums[j] += sums[j + half];
    }
  }
  return sums[0];
}
