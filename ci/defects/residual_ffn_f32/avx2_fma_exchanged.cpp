// defect: VFMADD gets its operands in the wrong order: b * (a + b) + w
// class: operands
// stands for: FMA arguments exchanged: 132 for 231
// caught by: value
#include <immintrin.h>

#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_fn residual_ffn_f32_avx2_fma_exchanged;

extern "C" void residual_ffn_f32_avx2_fma_exchanged(float* z, const float* a, const float* b, const float* w,
                                                    size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m256 vb = _mm256_loadu_ps(b + i);
    _mm256_storeu_ps(z + i, _mm256_fmadd_ps(vb, _mm256_add_ps(_mm256_loadu_ps(a + i), vb), _mm256_loadu_ps(w + i)));
  }
  for (; i < n; ++i) {
    z[i] = (a[i] + b[i]) + b[i] * w[i];
  }
}
