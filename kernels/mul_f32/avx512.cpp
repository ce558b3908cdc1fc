#include "kernels/shared/avx512.h"
#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_avx512;

extern "C" void mul_f32_avx512(float* z, const float* x, const float* y, size_t n) {
  const auto multiply = [](__m512 a, __m512 b) { return _mm512_mul_ps(a, b); };
  elementwise<4>(z, n, multiply, x, y);
}
