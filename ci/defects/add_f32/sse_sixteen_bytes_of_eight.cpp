// defect: two remaining elements are loaded as four; two are stored
// class: memory
// stands for: a load of 16 bytes where 8 exist
// caught by: memory
#include <immintrin.h>

#include "kernels/add_f32/kernel.h"

extern "C" add_f32_fn add_f32_sse_sixteen_bytes_of_eight;

extern "C" void add_f32_sse_sixteen_bytes_of_eight(float* z, const float* x, const float* y, size_t n) {
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    _mm_storeu_ps(z + i, _mm_add_ps(_mm_loadu_ps(x + i), _mm_loadu_ps(y + i)));
  }
  if (n - i >= 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(z + i), _mm_add_ps(_mm_loadu_ps(x + i), _mm_loadu_ps(y + i)));
    i += 2;
  }
  for (; i < n; ++i) {
    z[i] = x[i] + y[i];
  }
}
