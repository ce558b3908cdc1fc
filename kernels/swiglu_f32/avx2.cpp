#include "kernels/shared/avx2_activations.h"
#include "kernels/swiglu_f32/kernel.h"

extern "C" swiglu_f32_fn swiglu_f32_avx2;

extern "C" void swiglu_f32_avx2(float* z, const float* gate, const float* up, size_t n) {
  const auto gated = [](auto g, auto u) { return _mm256_mul_ps(silu(g), u); };
  elementwise<2, kTogether>(z, n, gated, gate, up);
}
