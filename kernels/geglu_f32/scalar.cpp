#include "kernels/geglu_f32/kernel.h"
#include "kernels/shared/independent.h"
#include "kernels/shared/scalar_activations.h"

extern "C" geglu_f32_fn geglu_f32_scalar;

extern "C" void geglu_f32_scalar(float* z, const float* gate, const float* up, size_t n) {
  INDEPENDENT_ITERATIONS  // z may be an input itself, but no other element of it
  for (size_t i = 0; i < n; ++i) {
    z[i] = gelu(gate[i]) * up[i];
  }
}
