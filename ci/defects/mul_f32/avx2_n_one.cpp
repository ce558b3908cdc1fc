// defect: one element alone is taken for nothing to do
// class: lengths
// stands for: n < 2 where n < 1 is meant
// caught by: value
#include <immintrin.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_avx2_n_one;

extern "C" void mul_f32_avx2_n_one(float* z, const float* x, const float* y, size_t n) {
  if (n < 2) {
    return;
  }
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(z + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
  }
  for (; i < n; ++i) {
    z[i] = x[i] * y[i];
  }
}
