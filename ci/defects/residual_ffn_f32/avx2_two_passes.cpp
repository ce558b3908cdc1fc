// defect: z = a + b is written first; b * w is added in a second pass, when b or w may be overwritten
// class: memory
// stands for: a kernel that works in place only by luck of its order
// caught by: value
#include <immintrin.h>

#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_fn residual_ffn_f32_avx2_two_passes;

extern "C" void residual_ffn_f32_avx2_two_passes(float* z, const float* a, const float* b, const float* w, size_t n) {
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(z + i, _mm256_add_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
  }
  for (size_t j = 0; j < i; j += 8) {
    _mm256_storeu_ps(z + j, _mm256_fmadd_ps(_mm256_loadu_ps(b + j), _mm256_loadu_ps(w + j), _mm256_loadu_ps(z + j)));
  }
  for (; i < n; ++i) {
    z[i] = (a[i] + b[i]) + b[i] * w[i];
  }
}
