// defect: the next vector is loaded before the loop looks whether there is one
// class: memory
// stands for: software pipelining that reads past the end and never uses it
// caught by: memory
#include <immintrin.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_sse_preloads_past_the_end;

extern "C" void mul_f32_sse_preloads_past_the_end(float* z, const float* x, const float* y, size_t n) {
  size_t i = 0;
  if (n >= 4) {
    __m128 next = _mm_loadu_ps(x);
    for (; i + 4 <= n; i += 4) {
      const __m128 a = next;
      // The compiler may not drop the last one.
      asm volatile("movups %1, %0" : "=x"(next) : "m"(*reinterpret_cast<const __m128_u*>(x + i + 4)));
      _mm_storeu_ps(z + i, _mm_mul_ps(a, _mm_loadu_ps(y + i)));
    }
  }
  for (; i < n; ++i) {
    z[i] = x[i] * y[i];
  }
}
