// defect: the results are written with FTZ on (and the mode restored)
// class: floats
// stands for: flush to zero for speed: subnormals are lost
// caught by: value
#include <immintrin.h>

#include "kernels/rms_norm_f32/kernel.h"

extern "C" rms_norm_f32_fn rms_norm_f32_sse_subnormals_flushed;

static inline __m128 add_square(__m128 s, __m128 x) { return _mm_add_ps(s, _mm_mul_ps(x, x)); }

// Four accumulators of four lanes hide the latency of the addition (3-4 cycles) at one addition a cycle.
static float sum_of_squares(const float* x, size_t n) {
  __m128 s0 = _mm_setzero_ps();
  __m128 s1 = s0;
  __m128 s2 = s0;
  __m128 s3 = s0;
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    s0 = add_square(s0, _mm_loadu_ps(x + i));
    s1 = add_square(s1, _mm_loadu_ps(x + i + 4));
    s2 = add_square(s2, _mm_loadu_ps(x + i + 8));
    s3 = add_square(s3, _mm_loadu_ps(x + i + 12));
  }
  for (; i + 4 <= n; i += 4) {
    s0 = add_square(s0, _mm_loadu_ps(x + i));
  }
  for (; i < n; ++i) {
    s1 = add_square(s1, _mm_load_ss(x + i));  // the other lanes are 0
  }
  const __m128 s = _mm_add_ps(_mm_add_ps(s0, s1), _mm_add_ps(s2, s3));
  const __m128 pairs = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}

static inline void normalise(float* y, const float* x, const float* w, __m128 scale) {
  _mm_storeu_ps(y, _mm_mul_ps(_mm_mul_ps(_mm_loadu_ps(x), scale), _mm_loadu_ps(w)));
}

extern "C" void rms_norm_f32_sse_subnormals_flushed(float* y, const float* x, const float* w, float eps, size_t n) {
  const float mean_square = sum_of_squares(x, n) / static_cast<float>(n);
  const float scale = 1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean_square + eps)));
  const __m128 scales = _mm_set1_ps(scale);
  const unsigned mode = _MM_GET_FLUSH_ZERO_MODE();
  _MM_SET_FLUSH_ZERO_MODE(_MM_FLUSH_ZERO_ON);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    normalise(y + i, x + i, w + i, scales);
    normalise(y + i + 4, x + i + 4, w + i + 4, scales);
    normalise(y + i + 8, x + i + 8, w + i + 8, scales);
    normalise(y + i + 12, x + i + 12, w + i + 12, scales);
  }
  for (; i + 4 <= n; i += 4) {
    normalise(y + i, x + i, w + i, scales);
  }
  for (; i < n; ++i) {
    y[i] = x[i] * scale * w[i];
  }
  _MM_SET_FLUSH_ZERO_MODE(mode);
}
