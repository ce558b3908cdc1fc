#include "kernels/geglu_f32/kernel.h"
#include "kernels/shared/sse_activations.h"

extern "C" geglu_f32_fn geglu_f32_sse;

extern "C" void geglu_f32_sse(float* z, const float* gate, const float* up, size_t n) {
  const auto gated = [](auto g, auto u) { return _mm_mul_ps(gelu(g), u); };
  elementwise<1>(z, n, gated, gate, up);
}
