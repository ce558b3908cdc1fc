// defect: subnormal operands count as zeros during the call; MXCSR is restored
// class: floats
// stands for: DAZ switched on for speed
// caught by: value
#include <immintrin.h>

#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_sse_denormals_are_zero;

extern "C" void mul_f32_sse_denormals_are_zero(float* z, const float* x, const float* y, size_t n) {
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x40);
  asm volatile("" : : : "memory");
  for (size_t i = 0; i < n; ++i) {
    z[i] = x[i] * y[i];
  }
  asm volatile("" : : : "memory");
  _mm_setcsr(before);
}
