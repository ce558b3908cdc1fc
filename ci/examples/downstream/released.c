/* As kernels.c was when it was released last: with 16 partial sums. */
#include "kernels.h"

void downstream_add(float* z, const float* x, const float* y, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    z[i] = x[i] + y[i];
  }
}

float downstream_dot(const float* x, const float* y, size_t n) {
  float sums[16] = {0};
  for (size_t i = 0; i < n; ++i) {
    sums[i % 16] += x[i] * y[i];
  }
  for (size_t half = 8; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) {
      sums[j] += sums[j + half];
    }
  }
  return sums[0];
}
