#include "kernels/shared/avx2.h"
#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_avx2;

extern "C" void mul_f32_avx2(float* z, const float* x, const float* y, size_t n) {
  const auto multiply = [](__m256 a, __m256 b) { return _mm256_mul_ps(a, b); };
  elementwise<4>(z, n, multiply, x, y);
}
