// defect: the number of bytes is counted in an int: from 2^31 on it is negative, and nothing is done
// class: lengths
// stands for: sizes in bytes kept in an int
// caught by: value
// budget: large
#include <xmmintrin.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_sse_byte_count_in_int;

extern "C" void mul_f32_sse_byte_count_in_int(float* z, const float* x, const float* y, size_t n) {
  int left = static_cast<int>(4 * n);
  for (; left >= 16; left -= 16, x += 4, y += 4, z += 4) {
    _mm_storeu_ps(z, _mm_mul_ps(_mm_loadu_ps(x), _mm_loadu_ps(y)));
  }
  for (; left > 0; left -= 4) {
    *z++ = *x++ * *y++;
  }
}
