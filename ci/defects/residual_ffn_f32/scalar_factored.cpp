// defect: a + b (1 + w) is computed, which is the same in real numbers
// class: floats
// stands for: an algebraic change that rounds what cancels: 1 + w loses the low bits of w
// caught by: value
#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_fn residual_ffn_f32_scalar_factored;

extern "C" void residual_ffn_f32_scalar_factored(float* z, const float* a, const float* b, const float* w, size_t n) {
  for (size_t i = 0; i < n; ++i) {
    z[i] = a[i] + b[i] * (1 + w[i]);
  }
}
