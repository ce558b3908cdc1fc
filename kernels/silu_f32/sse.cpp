#include "kernels/shared/sse_activations.h"
#include "kernels/silu_f32/kernel.h"

extern "C" silu_f32_fn silu_f32_sse;

extern "C" void silu_f32_sse(float* y, const float* x, size_t n) {
  const auto activate = [](auto v) { return silu(v); };
  elementwise<1>(y, n, activate, x);
}
