// defect: each round stores the product of the round before, also the first
// class: memory
// stands for: a pipelined store without a peeled first round: a write before the start
// caught by: memory canary
#include "kernels/mul_f32/kernel.h"

extern "C" mul_f32_fn mul_f32_scalar_writes_before_the_start;

extern "C" void mul_f32_scalar_writes_before_the_start(float* z, const float* x, const float* y, size_t n) {
  float product = 0;
  float* to = z - 1;
  for (size_t i = 0; i < n; ++i) {
    const float next = x[i] * y[i];
    *to++ = product;
    product = next;
  }
  if (n > 0) {
    *to = product;
  }
}
