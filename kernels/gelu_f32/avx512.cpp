#include "kernels/gelu_f32/kernel.h"
#include "kernels/shared/avx512_activations.h"

extern "C" gelu_f32_fn gelu_f32_avx512;

extern "C" void gelu_f32_avx512(float* y, const float* x, size_t n) {
  const auto activate = [](auto v) { return gelu(v); };
  elementwise<2, kTogether>(y, n, activate, x);
}
