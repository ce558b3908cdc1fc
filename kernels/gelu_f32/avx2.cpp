#include "kernels/gelu_f32/kernel.h"
#include "kernels/shared/avx2_activations.h"

extern "C" gelu_f32_fn gelu_f32_avx2;

extern "C" void gelu_f32_avx2(float* y, const float* x, size_t n) {
  const auto activate = [](auto v) { return gelu(v); };
  elementwise<2, kTogether>(y, n, activate, x);
}
