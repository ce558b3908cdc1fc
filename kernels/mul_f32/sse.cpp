#include "kernels/shared/sse.h"
#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_sse;

extern "C" void mul_f32_sse(float* z, const float* x, const float* y, size_t n) {
  const auto multiply = [](__m128 a, __m128 b) { return _mm_mul_ps(a, b); };
  elementwise<4>(z, n, multiply, x, y);
}
