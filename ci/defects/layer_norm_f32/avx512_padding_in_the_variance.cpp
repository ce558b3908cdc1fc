// defect: the lanes behind the tail are not masked: each counts as (0 - m)^2
// class: masks
// stands for: zero masking taken for no contribution
// caught by: value
#include <immintrin.h>

#include "kernels/layer_norm_f32/kernel.h"

extern "C" layer_norm_f32_fn layer_norm_f32_avx512_padding_in_the_variance;

static inline float add_up(const __m512* s) {
  const __m512 a = _mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3]));
  const __m512 b = _mm512_add_ps(_mm512_add_ps(s[4], s[5]), _mm512_add_ps(s[6], s[7]));
  return _mm512_reduce_add_ps(_mm512_add_ps(a, b));
}

// Eight accumulators: two additions (or FMAs) a cycle times a latency of four.
static inline float sum(const float* x, size_t n, __mmask16 mask) {
  __m512 s[8];
  for (int j = 0; j < 8; ++j) {
    s[j] = _mm512_setzero_ps();
  }
  size_t i = 0;
  for (; i + 128 <= n; i += 128) {
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; ++j) {
      s[j] = _mm512_add_ps(s[j], _mm512_loadu_ps(x + i + 16 * j));
    }
  }
  for (; i + 16 <= n; i += 16) {
    s[0] = _mm512_add_ps(s[0], _mm512_loadu_ps(x + i));
  }
  if (i < n) {
    s[1] = _mm512_add_ps(s[1], _mm512_maskz_loadu_ps(mask, x + i));
  }
  return add_up(s);
}

static inline float sum_of_squares(const float* x, __m512 mean, size_t n, __mmask16 mask) {
  __m512 s[8];
  for (int j = 0; j < 8; ++j) {
    s[j] = _mm512_setzero_ps();
  }
  size_t i = 0;
  for (; i + 128 <= n; i += 128) {
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; ++j) {
      const __m512 d = _mm512_sub_ps(_mm512_loadu_ps(x + i + 16 * j), mean);
      s[j] = _mm512_fmadd_ps(d, d, s[j]);
    }
  }
  for (; i + 16 <= n; i += 16) {
    const __m512 d = _mm512_sub_ps(_mm512_loadu_ps(x + i), mean);
    s[0] = _mm512_fmadd_ps(d, d, s[0]);
  }
  if (i < n) {
    const __m512 d = _mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), mean);
    s[1] = _mm512_fmadd_ps(d, d, s[1]);
  }
  return add_up(s);
}

static inline __m512 normalise(__m512 x, __m512 w, __m512 b, __m512 mean, __m512 scale) {
  return _mm512_fmadd_ps(_mm512_mul_ps(_mm512_sub_ps(x, mean), scale), w, b);
}

extern "C" void layer_norm_f32_avx512_padding_in_the_variance(float* y, const float* x, const float* w, const float* b,
                                                              float eps, size_t n) {
  const __mmask16 mask = static_cast<__mmask16>((1u << (n % 16)) - 1);
  const float count = static_cast<float>(n);
  const __m512 mean = _mm512_set1_ps(sum(x, n, mask) / count);
  const float variance = sum_of_squares(x, mean, n, mask) / count;
  const __m512 scale = _mm512_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(variance + eps))));
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
    for (size_t j = i; j < i + 64; j += 16) {
      const __m512 z = normalise(_mm512_loadu_ps(x + j), _mm512_loadu_ps(w + j), _mm512_loadu_ps(b + j), mean, scale);
      _mm512_storeu_ps(y + j, z);
    }
  }
  for (; i + 16 <= n; i += 16) {
    _mm512_storeu_ps(y + i,
                     normalise(_mm512_loadu_ps(x + i), _mm512_loadu_ps(w + i), _mm512_loadu_ps(b + i), mean, scale));
  }
  if (i < n) {
    const __m512 z = normalise(_mm512_maskz_loadu_ps(mask, x + i), _mm512_maskz_loadu_ps(mask, w + i),
                               _mm512_maskz_loadu_ps(mask, b + i), mean, scale);
    _mm512_mask_storeu_ps(y + i, mask, z);
  }
}
