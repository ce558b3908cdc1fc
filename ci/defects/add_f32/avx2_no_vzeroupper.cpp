// defect: the assembly uses YMM registers and returns without VZEROUPPER
// class: state
// stands for: hand-written AVX code that slows the SSE code of its caller: compilers add VZEROUPPER only to their own
// caught by: dirty-upper
#include <immintrin.h>

#include "kernels/add_f32/kernel.h"

extern "C" add_f32_fn add_f32_avx2_no_vzeroupper;

extern "C" void add_f32_avx2_no_vzeroupper(float* z, const float* x, const float* y, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    asm("vmovups %1, %%ymm0\n\tvaddps %2, %%ymm0, %%ymm0\n\tvmovups %%ymm0, %0"
        : "=m"(*reinterpret_cast<__m256_u*>(z + i))
        : "m"(*reinterpret_cast<const __m256_u*>(x + i)), "m"(*reinterpret_cast<const __m256_u*>(y + i))
        : "xmm0");
  }
  for (; i < n; ++i) {
    z[i] = x[i] + y[i];
  }
}
