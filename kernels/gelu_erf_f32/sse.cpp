#include "kernels/gelu_erf_f32/kernel.h"
#include "kernels/shared/sse_activations.h"

extern "C" gelu_erf_f32_fn gelu_erf_f32_sse;

extern "C" void gelu_erf_f32_sse(float* y, const float* x, size_t n) {
  const auto activate = [](auto v) { return gelu_erf(v); };
  elementwise<1>(y, n, activate, x);
}
