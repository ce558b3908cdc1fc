// defect: the last vector, which is not whole, gets b twice
// class: operands
// stands for: bias added twice
// caught by: value
#include <immintrin.h>

#include "kernels/layer_norm_f32/kernel.h"

extern "C" layer_norm_f32_fn layer_norm_f32_avx2_bias_twice_in_the_tail;

// The n % 8 mask is a window into this table.
static const int kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

static inline float add_up(const __m256* s) {
  const __m256 a = _mm256_add_ps(_mm256_add_ps(s[0], s[1]), _mm256_add_ps(s[2], s[3]));
  const __m256 b = _mm256_add_ps(_mm256_add_ps(s[4], s[5]), _mm256_add_ps(s[6], s[7]));
  const __m256 c = _mm256_add_ps(a, b);
  const __m128 d = _mm_add_ps(_mm256_castps256_ps128(c), _mm256_extractf128_ps(c, 1));
  const __m128 e = _mm_add_ps(d, _mm_movehl_ps(d, d));
  return _mm_cvtss_f32(_mm_add_ss(e, _mm_movehdup_ps(e)));
}

// Eight accumulators: two additions (or FMAs) a cycle times a latency of four.
static inline float sum(const float* x, size_t n, __m256i mask) {
  __m256 s[8];
  for (int j = 0; j < 8; ++j) {
    s[j] = _mm256_setzero_ps();
  }
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; ++j) {
      s[j] = _mm256_add_ps(s[j], _mm256_loadu_ps(x + i + 8 * j));
    }
  }
  for (; i + 8 <= n; i += 8) {
    s[0] = _mm256_add_ps(s[0], _mm256_loadu_ps(x + i));
  }
  if (i < n) {
    s[1] = _mm256_add_ps(s[1], _mm256_maskload_ps(x + i, mask));
  }
  return add_up(s);
}

static inline float sum_of_squares(const float* x, __m256 mean, size_t n, __m256i mask) {
  __m256 s[8];
  for (int j = 0; j < 8; ++j) {
    s[j] = _mm256_setzero_ps();
  }
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; ++j) {
      const __m256 d = _mm256_sub_ps(_mm256_loadu_ps(x + i + 8 * j), mean);
      s[j] = _mm256_fmadd_ps(d, d, s[j]);
    }
  }
  for (; i + 8 <= n; i += 8) {
    const __m256 d = _mm256_sub_ps(_mm256_loadu_ps(x + i), mean);
    s[0] = _mm256_fmadd_ps(d, d, s[0]);
  }
  if (i < n) {  // lanes that are not there would count as 0 - mean
    const __m256 d = _mm256_and_ps(_mm256_castsi256_ps(mask), _mm256_sub_ps(_mm256_maskload_ps(x + i, mask), mean));
    s[1] = _mm256_fmadd_ps(d, d, s[1]);
  }
  return add_up(s);
}

static inline __m256 normalise(__m256 x, __m256 w, __m256 b, __m256 mean, __m256 scale) {
  return _mm256_fmadd_ps(_mm256_mul_ps(_mm256_sub_ps(x, mean), scale), w, b);
}

extern "C" void layer_norm_f32_avx2_bias_twice_in_the_tail(float* y, const float* x, const float* w, const float* b,
                                                           float eps, size_t n) {
  const __m256i mask = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - n % 8));
  const float count = static_cast<float>(n);
  const __m256 mean = _mm256_set1_ps(sum(x, n, mask) / count);
  const float variance = sum_of_squares(x, mean, n, mask) / count;
  const __m256 scale = _mm256_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(variance + eps))));
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
#pragma GCC unroll 4
    for (size_t j = i; j < i + 32; j += 8) {
      const __m256 z = normalise(_mm256_loadu_ps(x + j), _mm256_loadu_ps(w + j), _mm256_loadu_ps(b + j), mean, scale);
      _mm256_storeu_ps(y + j, z);
    }
  }
  for (; i + 8 <= n; i += 8) {
    _mm256_storeu_ps(y + i,
                     normalise(_mm256_loadu_ps(x + i), _mm256_loadu_ps(w + i), _mm256_loadu_ps(b + i), mean, scale));
  }
  if (i < n) {
    const __m256 z = normalise(_mm256_maskload_ps(x + i, mask), _mm256_maskload_ps(w + i, mask),
                               _mm256_maskload_ps(b + i, mask), mean, scale);
    _mm256_maskstore_ps(y + i, mask, _mm256_add_ps(z, _mm256_maskload_ps(b + i, mask)));
  }
}
