#include "kernels/shared/independent.h"
#include "kernels/shared/scalar_activations.h"
#include "kernels/softcap_f32/kernel.h"

extern "C" softcap_f32_fn softcap_f32_scalar;

extern "C" void softcap_f32_scalar(float* y, const float* x, float c, size_t n) {
  const double k = slope_of_softcap(c);
  INDEPENDENT_ITERATIONS  // y may be x itself, but no other element of it
  for (size_t i = 0; i < n; ++i) {
    y[i] = softcap(x[i], c, k);
  }
}
