#include "kernels/shared/sse.h"
#include "kernels/relu2_glu_f32/kernel.h"

extern "C" relu2_glu_f32_fn relu2_glu_f32_sse;

extern "C" void relu2_glu_f32_sse(float* z, const float* gate, const float* up, size_t n) {
  const auto gated = [](auto g, auto u) {
    const auto positive = _mm_max_ps(_mm_setzero_ps(), g);  // MAXPS gives its second operand where one is a NaN
    return _mm_mul_ps(_mm_mul_ps(positive, positive), u);
  };
  elementwise<4>(z, n, gated, gate, up);
}
