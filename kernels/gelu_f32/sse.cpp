#include "kernels/gelu_f32/kernel.h"
#include "kernels/shared/sse_activations.h"

extern "C" gelu_f32_fn gelu_f32_sse;

extern "C" void gelu_f32_sse(float* y, const float* x, size_t n) {
  const auto activate = [](auto v) { return gelu(v); };
  elementwise<1>(y, n, activate, x);
}
