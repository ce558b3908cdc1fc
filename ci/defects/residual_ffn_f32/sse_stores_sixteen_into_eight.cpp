// defect: for two elements, the result is stored as four
// class: listing
// stands for: a 16-byte store into an 8-byte result
// caught by: memory canary
#include <immintrin.h>

#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_fn residual_ffn_f32_sse_stores_sixteen_into_eight;

extern "C" void residual_ffn_f32_sse_stores_sixteen_into_eight(float* z, const float* a, const float* b, const float* w,
                                                               size_t n) {
  if (n == 2) {
    asm volatile(
        "movq (%1), %%xmm0\n\t"
        "movq (%2), %%xmm1\n\t"
        "movq (%3), %%xmm2\n\t"
        "addps %%xmm1, %%xmm0\n\t"
        "mulps %%xmm2, %%xmm1\n\t"
        "addps %%xmm1, %%xmm0\n\t"
        "movups %%xmm0, (%0)"
        :
        : "r"(z), "r"(a), "r"(b), "r"(w)
        : "xmm0", "xmm1", "xmm2", "memory");
    return;
  }
  for (size_t i = 0; i < n; ++i) {
    z[i] = (a[i] + b[i]) + b[i] * w[i];
  }
}
