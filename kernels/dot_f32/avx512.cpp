#include "kernels/shared/avx512.h"
#include "kernels/dot_f32/kernel.h"

extern "C" dot_f32_fn dot_f32_avx512;

extern "C" float dot_f32_avx512(const float* x, const float* y, size_t n) {
  const auto multiply_add = [](__m512 s, __m512 a, __m512 b) { return _mm512_fmadd_ps(a, b, s); };
  return accumulate(n, multiply_add, x, y);
}
