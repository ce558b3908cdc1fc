#include <immintrin.h>

#include "kernels/rms_norm_f32/kernel.h"

extern "C" rms_norm_f32_fn rms_norm_f32_avx2;

// The n % 8 mask is a window into this table.
static const int kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

// Eight accumulators: two FMAs a cycle times a latency of four.
static inline float sum_of_squares(const float* x, size_t n, __m256i mask) {
  __m256 s[8];
  for (int j = 0; j < 8; ++j) {
    s[j] = _mm256_setzero_ps();
  }
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; ++j) {
      const __m256 v = _mm256_loadu_ps(x + i + 8 * j);
      s[j] = _mm256_fmadd_ps(v, v, s[j]);
    }
  }
  for (; i + 8 <= n; i += 8) {
    const __m256 v = _mm256_loadu_ps(x + i);
    s[0] = _mm256_fmadd_ps(v, v, s[0]);
  }
  if (i < n) {
    const __m256 v = _mm256_maskload_ps(x + i, mask);
    s[1] = _mm256_fmadd_ps(v, v, s[1]);
  }
  const __m256 a = _mm256_add_ps(_mm256_add_ps(s[0], s[1]), _mm256_add_ps(s[2], s[3]));
  const __m256 b = _mm256_add_ps(_mm256_add_ps(s[4], s[5]), _mm256_add_ps(s[6], s[7]));
  const __m256 c = _mm256_add_ps(a, b);
  const __m128 d = _mm_add_ps(_mm256_castps256_ps128(c), _mm256_extractf128_ps(c, 1));
  const __m128 e = _mm_add_ps(d, _mm_movehl_ps(d, d));
  return _mm_cvtss_f32(_mm_add_ss(e, _mm_movehdup_ps(e)));
}

static inline __m256 normalise(__m256 x, __m256 w, __m256 scale) { return _mm256_mul_ps(_mm256_mul_ps(x, scale), w); }

extern "C" void rms_norm_f32_avx2(float* y, const float* x, const float* w, float eps, size_t n) {
  const __m256i mask = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - n % 8));
  const float mean_square = sum_of_squares(x, n, mask) / static_cast<float>(n);
  const __m256 scale = _mm256_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean_square + eps))));
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
    for (size_t j = i; j < i + 32; j += 8) {
      _mm256_storeu_ps(y + j, normalise(_mm256_loadu_ps(x + j), _mm256_loadu_ps(w + j), scale));
    }
  }
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(y + i, normalise(_mm256_loadu_ps(x + i), _mm256_loadu_ps(w + i), scale));
  }
  if (i < n) {
    _mm256_maskstore_ps(y + i, mask,
                        normalise(_mm256_maskload_ps(x + i, mask), _mm256_maskload_ps(w + i, mask), scale));
  }
}
