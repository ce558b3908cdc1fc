#include <immintrin.h>

#include "kernels/residual_ffn_f32/kernel.h"

extern "C" residual_ffn_f32_fn residual_ffn_f32_avx2;

static inline __m256 combine(__m256 a, __m256 b, __m256 w) { return _mm256_fmadd_ps(b, w, _mm256_add_ps(a, b)); }

// The n % 8 mask is a window into this table.
static const int kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

extern "C" void residual_ffn_f32_avx2(float* z, const float* a, const float* b, const float* w, size_t n) {
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    _mm256_storeu_ps(z + i, combine(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), _mm256_loadu_ps(w + i)));
    _mm256_storeu_ps(z + i + 8,
                     combine(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), _mm256_loadu_ps(w + i + 8)));
    _mm256_storeu_ps(z + i + 16,
                     combine(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), _mm256_loadu_ps(w + i + 16)));
    _mm256_storeu_ps(z + i + 24,
                     combine(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), _mm256_loadu_ps(w + i + 24)));
  }
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(z + i, combine(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), _mm256_loadu_ps(w + i)));
  }
  if (i < n) {
    const __m256i mask = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - (n - i)));
    _mm256_maskstore_ps(
        z + i, mask,
        combine(_mm256_maskload_ps(a + i, mask), _mm256_maskload_ps(b + i, mask), _mm256_maskload_ps(w + i, mask)));
  }
}
