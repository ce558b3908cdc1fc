#include "kernels/shared/sse.h"
#include "kernels/add_f32/kernel.h"

extern "C" add_f32_fn add_f32_sse;

extern "C" void add_f32_sse(float* z, const float* x, const float* y, size_t n) {
  const auto add = [](__m128 a, __m128 b) { return _mm_add_ps(a, b); };
  elementwise<4>(z, n, add, x, y);
}
