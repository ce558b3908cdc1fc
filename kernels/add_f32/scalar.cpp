#include "kernels/add_f32/kernel.h"
#include "kernels/shared/independent.h"

extern "C" add_f32_fn add_f32_scalar;

extern "C" void add_f32_scalar(float* z, const float* x, const float* y, size_t n) {
  INDEPENDENT_ITERATIONS  // z may be an input itself, but no other element of it
  for (size_t i = 0; i < n; ++i) {
    z[i] = x[i] + y[i];
  }
}
