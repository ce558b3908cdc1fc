// defect: the product is the fused multiply-add with a third operand of +0
// class: floats
// stands for: -0 lost: -0 + 0 is +0
// caught by: value
#include <immintrin.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_avx2_negative_zero_lost;

extern "C" void mul_f32_avx2_negative_zero_lost(float* z, const float* x, const float* y, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(z + i, _mm256_fmadd_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i), _mm256_setzero_ps()));
  }
  for (; i < n; ++i) {
    z[i] = x[i] * y[i];
  }
}
