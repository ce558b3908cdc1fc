#include "kernels/relu2_glu_f32/kernel.h"
#include "kernels/shared/independent.h"

extern "C" relu2_glu_f32_fn relu2_glu_f32_scalar;

extern "C" void relu2_glu_f32_scalar(float* z, const float* gate, const float* up, size_t n) {
  INDEPENDENT_ITERATIONS  // z may be an input itself, but no other element of it
  for (size_t i = 0; i < n; ++i) {
    const float positive = gate[i] < 0 ? 0 : gate[i];  // false for a NaN, which stays
    z[i] = positive * positive * up[i];
  }
}
