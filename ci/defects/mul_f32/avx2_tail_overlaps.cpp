// defect: the remainder is the last whole vector once more, which has been multiplied already where z is x or y
// class: lengths
// stands for: a tail run twice: harmless until the kernel works in place
// caught by: value
#include <immintrin.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_avx2_tail_overlaps;

static inline void eight(float* z, const float* x, const float* y) {
  _mm256_storeu_ps(z, _mm256_mul_ps(_mm256_loadu_ps(x), _mm256_loadu_ps(y)));
}

extern "C" void mul_f32_avx2_tail_overlaps(float* z, const float* x, const float* y, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    eight(z + i, x + i, y + i);
  }
  if (i < n && n >= 8) {
    eight(z + n - 8, x + n - 8, y + n - 8);
    return;
  }
  for (; i < n; ++i) {
    z[i] = x[i] * y[i];
  }
}
