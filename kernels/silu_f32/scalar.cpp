#include "kernels/shared/independent.h"
#include "kernels/shared/scalar_activations.h"
#include "kernels/silu_f32/kernel.h"

extern "C" silu_f32_fn silu_f32_scalar;

extern "C" void silu_f32_scalar(float* y, const float* x, size_t n) {
  INDEPENDENT_ITERATIONS  // y may be x itself, but no other element of it
  for (size_t i = 0; i < n; ++i) {
    y[i] = silu(x[i]);
  }
}
