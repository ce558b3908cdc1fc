#include "kernels/geglu_f32/kernel.h"
#include "kernels/shared/avx512_activations.h"

extern "C" geglu_f32_fn geglu_f32_avx512;

extern "C" void geglu_f32_avx512(float* z, const float* gate, const float* up, size_t n) {
  const auto gated = [](auto g, auto u) { return _mm512_mul_ps(gelu(g), u); };
  elementwise<2, kTogether>(z, n, gated, gate, up);
}
