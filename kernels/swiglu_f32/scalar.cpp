#include "kernels/shared/independent.h"
#include "kernels/shared/scalar_activations.h"
#include "kernels/swiglu_f32/kernel.h"

extern "C" swiglu_f32_fn swiglu_f32_scalar;

extern "C" void swiglu_f32_scalar(float* z, const float* gate, const float* up, size_t n) {
  INDEPENDENT_ITERATIONS  // z may be an input itself, but no other element of it
  for (size_t i = 0; i < n; ++i) {
    z[i] = silu(gate[i]) * up[i];
  }
}
