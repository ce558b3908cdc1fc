#include "kernels/argmax_f32/kernel.h"

extern "C" argmax_f32_fn argmax_f32_scalar;

// The largest number first, then where it is: a loop that the compiler can keep in vectors, and one that ends early.
extern "C" size_t argmax_f32_scalar(const float* x, size_t n) {
  float best[32];
  for (float& b : best) {
    b = -__builtin_inff();
  }
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    for (size_t j = 0; j < 32; ++j) {
      best[j] = x[i + j] > best[j] ? x[i + j] : best[j];  // false for a NaN
    }
  }
  for (; i < n; ++i) {
    best[0] = x[i] > best[0] ? x[i] : best[0];
  }
  float largest = best[0];
  for (const float b : best) {
    largest = b > largest ? b : largest;
  }
  for (i = 0; i < n; ++i) {
    if (x[i] == largest) {
      return i;
    }
  }
  return 0;
}
