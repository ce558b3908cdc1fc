#include "kernels/scale_f32/kernel.h"
#include "kernels/shared/independent.h"

extern "C" scale_f32_fn scale_f32_scalar;

extern "C" void scale_f32_scalar(float* y, const float* x, float s, size_t n) {
  INDEPENDENT_ITERATIONS  // y may be x itself, but no other element of it
  for (size_t i = 0; i < n; ++i) {
    y[i] = s * x[i];
  }
}
