#include "kernels/shared/avx2_activations.h"
#include "kernels/silu_f32/kernel.h"

extern "C" silu_f32_fn silu_f32_avx2;

extern "C" void silu_f32_avx2(float* y, const float* x, size_t n) {
  const auto activate = [](auto v) { return silu(v); };
  elementwise<2, kTogether>(y, n, activate, x);
}
