#include "kernels/shared/sse.h"
#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_sse;

extern "C" float dot_f32_sse(const float* x, const float* y, size_t n) {
  const auto multiply_add = [](__m128 s, __m128 a, __m128 b) { return _mm_add_ps(s, _mm_mul_ps(a, b)); };
  return accumulate(n, multiply_add, x, y);
}
