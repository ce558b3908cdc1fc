// defect: the length is cut to 16 bits
// class: lengths
// stands for: a size that fits a short in every test: 65536 elements and more are not handled
// caught by: value
#include <immintrin.h>
#include <stdint.h>

#include "kernels/add_f32/kernel.h"

extern "C" add_f32_fn add_f32_avx2_sixteen_bit_length;

extern "C" void add_f32_avx2_sixteen_bit_length(float* z, const float* x, const float* y, size_t n) {
  const uint16_t count = static_cast<uint16_t>(n);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm256_storeu_ps(z + i, _mm256_add_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
  }
  for (; i < count; ++i) {
    z[i] = x[i] + y[i];
  }
}
