// defect: the loop over the remainder ends one element early
// class: lengths
// stands for: the last element missed
// caught by: value
#include <immintrin.h>

#include "kernels/add_f32/kernel.h"

extern "C" add_f32_fn add_f32_sse_last_element_missed;

extern "C" void add_f32_sse_last_element_missed(float* z, const float* x, const float* y, size_t n) {
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    _mm_storeu_ps(z + i, _mm_add_ps(_mm_loadu_ps(x + i), _mm_loadu_ps(y + i)));
  }
  for (; i + 1 < n; ++i) {
    z[i] = x[i] + y[i];
  }
}
