#include "kernels/geglu_f32/kernel.h"
#include "kernels/shared/avx2_activations.h"

extern "C" geglu_f32_fn geglu_f32_avx2;

extern "C" void geglu_f32_avx2(float* z, const float* gate, const float* up, size_t n) {
  const auto gated = [](auto g, auto u) { return _mm256_mul_ps(gelu(g), u); };
  elementwise<2, kTogether>(z, n, gated, gate, up);
}
