#include "kernels/shared/avx2.h"
#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_avx2;

extern "C" float dot_f32_avx2(const float* x, const float* y, size_t n) {
  const auto multiply_add = [](__m256 s, __m256 a, __m256 b) { return _mm256_fmadd_ps(a, b, s); };
  return accumulate(n, multiply_add, x, y);
}
