// defect: the running sums are cut to bf16
// class: floats
// stands for: an accumulator as narrow as the data
// caught by: value
#include <immintrin.h>

#include "kernels/rms_norm_f32/kernel.h"

extern "C" rms_norm_f32_fn rms_norm_f32_avx512_sum_kept_in_bf16;

static inline __m512 cut(__m512 x) {
  return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(-65536)));
}

// Eight accumulators: two FMAs a cycle times a latency of four.
static inline float sum_of_squares(const float* x, size_t n, __mmask16 mask) {
  __m512 s[8];
  for (int j = 0; j < 8; ++j) {
    s[j] = _mm512_setzero_ps();
  }
  size_t i = 0;
  for (; i + 128 <= n; i += 128) {
#pragma GCC unroll 8
    for (size_t j = 0; j < 8; ++j) {
      const __m512 v = _mm512_loadu_ps(x + i + 16 * j);
      s[j] = cut(_mm512_fmadd_ps(v, v, s[j]));
    }
  }
  for (; i + 16 <= n; i += 16) {
    const __m512 v = _mm512_loadu_ps(x + i);
    s[0] = cut(_mm512_fmadd_ps(v, v, s[0]));
  }
  if (i < n) {
    const __m512 v = _mm512_maskz_loadu_ps(mask, x + i);
    s[1] = _mm512_fmadd_ps(v, v, s[1]);
  }
  const __m512 a = _mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3]));
  const __m512 b = _mm512_add_ps(_mm512_add_ps(s[4], s[5]), _mm512_add_ps(s[6], s[7]));
  return _mm512_reduce_add_ps(_mm512_add_ps(a, b));
}

static inline __m512 normalise(__m512 x, __m512 w, __m512 scale) { return _mm512_mul_ps(_mm512_mul_ps(x, scale), w); }

extern "C" void rms_norm_f32_avx512_sum_kept_in_bf16(float* y, const float* x, const float* w, float eps, size_t n) {
  const __mmask16 mask = static_cast<__mmask16>((1u << (n % 16)) - 1);
  const float mean_square = sum_of_squares(x, n, mask) / static_cast<float>(n);
  const __m512 scale = _mm512_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean_square + eps))));
  size_t i = 0;
  for (; i + 64 <= n; i += 64) {
#pragma GCC unroll 4
    for (size_t j = i; j < i + 64; j += 16) {
      _mm512_storeu_ps(y + j, normalise(_mm512_loadu_ps(x + j), _mm512_loadu_ps(w + j), scale));
    }
  }
  for (; i + 16 <= n; i += 16) {
    _mm512_storeu_ps(y + i, normalise(_mm512_loadu_ps(x + i), _mm512_loadu_ps(w + i), scale));
  }
  if (i < n) {
    const __m512 z = normalise(_mm512_maskz_loadu_ps(mask, x + i), _mm512_maskz_loadu_ps(mask, w + i), scale);
    _mm512_mask_storeu_ps(y + i, mask, z);
  }
}
