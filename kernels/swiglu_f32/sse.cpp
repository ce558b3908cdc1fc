#include "kernels/shared/sse_activations.h"
#include "kernels/swiglu_f32/kernel.h"

extern "C" swiglu_f32_fn swiglu_f32_sse;

extern "C" void swiglu_f32_sse(float* z, const float* gate, const float* up, size_t n) {
  const auto gated = [](auto g, auto u) { return _mm_mul_ps(silu(g), u); };
  elementwise<1>(z, n, gated, gate, up);
}
