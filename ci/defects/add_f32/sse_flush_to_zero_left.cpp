// defect: flush-to-zero is switched on and stays on
// class: state
// stands for: a library that changes the caller's arithmetic for speed
// caught by: mxcsr
#include <immintrin.h>

#include "kernels/add_f32/kernel.h"

extern "C" add_f32_fn add_f32_sse_flush_to_zero_left;

extern "C" void add_f32_sse_flush_to_zero_left(float* z, const float* x, const float* y, size_t n) {
  // At the end, where it cannot change a sum.
  for (size_t i = 0; i < n; ++i) {
    z[i] = x[i] + y[i];
  }
  asm volatile("" : : : "memory");
  _mm_setcsr(_mm_getcsr() | 0x8000);
}
