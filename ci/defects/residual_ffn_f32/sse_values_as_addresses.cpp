// defect: for two elements, what w holds is loaded and used as the address of w
// class: listing
// stands for: the values of a vector used as addresses: one dereference too many
// caught by: memory crash
#include <immintrin.h>

#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_fn residual_ffn_f32_sse_values_as_addresses;

extern "C" void residual_ffn_f32_sse_values_as_addresses(float* z, const float* a, const float* b, const float* w,
                                                         size_t n) {
  if (n == 2) {
    asm volatile(
        "movq (%1), %%xmm0\n\t"
        "movq (%2), %%xmm1\n\t"
        "movq (%3), %%rax\n\t"
        "movq (%%rax), %%xmm2\n\t"
        "addps %%xmm1, %%xmm0\n\t"
        "mulps %%xmm2, %%xmm1\n\t"
        "addps %%xmm1, %%xmm0\n\t"
        "movq %%xmm0, (%0)"
        :
        : "r"(z), "r"(a), "r"(b), "r"(w)
        : "rax", "xmm0", "xmm1", "xmm2", "memory");
    return;
  }
  for (size_t i = 0; i < n; ++i) {
    z[i] = (a[i] + b[i]) + b[i] * w[i];
  }
}
