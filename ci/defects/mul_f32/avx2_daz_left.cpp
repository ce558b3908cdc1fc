// defect: denormals-are-zero is switched on at the end
// class: state
// stands for: a library that changes the caller's arithmetic: DAZ
// caught by: mxcsr
#include <immintrin.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_avx2_daz_left;

extern "C" void mul_f32_avx2_daz_left(float* z, const float* x, const float* y, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(z + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
  }
  for (; i < n; ++i) {
    z[i] = x[i] * y[i];
  }
  asm volatile("" : : : "memory");
  _mm_setcsr(_mm_getcsr() | 0x40);
}
