#include "kernels/residual_ffn_f32/kernel.h"
#include "kernels/shared/independent.h"

extern "C" residual_ffn_f32_fn residual_ffn_f32_scalar;

extern "C" void residual_ffn_f32_scalar(float* z, const float* a, const float* b, const float* w, size_t n) {
  INDEPENDENT_ITERATIONS  // z may be an input itself, but no other element of it
  for (size_t i = 0; i < n; ++i) {
    z[i] = (a[i] + b[i]) + b[i] * w[i];
  }
}
