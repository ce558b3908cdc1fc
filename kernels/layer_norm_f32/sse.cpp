#include <immintrin.h>

#include "kernels/layer_norm_f32/kernel.h"

extern "C" layer_norm_f32_fn layer_norm_f32_sse;

static inline float add_up(__m128 s0, __m128 s1, __m128 s2, __m128 s3) {
  const __m128 s = _mm_add_ps(_mm_add_ps(s0, s1), _mm_add_ps(s2, s3));
  const __m128 pairs = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(pairs, _mm_movehdup_ps(pairs)));
}

// Four accumulators of four lanes hide the latency of the addition (3-4 cycles) at one addition a cycle.
static float sum(const float* x, size_t n) {
  __m128 s0 = _mm_setzero_ps();
  __m128 s1 = s0;
  __m128 s2 = s0;
  __m128 s3 = s0;
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    s0 = _mm_add_ps(s0, _mm_loadu_ps(x + i));
    s1 = _mm_add_ps(s1, _mm_loadu_ps(x + i + 4));
    s2 = _mm_add_ps(s2, _mm_loadu_ps(x + i + 8));
    s3 = _mm_add_ps(s3, _mm_loadu_ps(x + i + 12));
  }
  for (; i + 4 <= n; i += 4) {
    s0 = _mm_add_ps(s0, _mm_loadu_ps(x + i));
  }
  for (; i < n; ++i) {
    s1 = _mm_add_ss(s1, _mm_load_ss(x + i));
  }
  return add_up(s0, s1, s2, s3);
}

static inline __m128 add_square(__m128 s, __m128 d) { return _mm_add_ps(s, _mm_mul_ps(d, d)); }

static float sum_of_squares(const float* x, __m128 mean, size_t n) {
  __m128 s0 = _mm_setzero_ps();
  __m128 s1 = s0;
  __m128 s2 = s0;
  __m128 s3 = s0;
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    s0 = add_square(s0, _mm_sub_ps(_mm_loadu_ps(x + i), mean));
    s1 = add_square(s1, _mm_sub_ps(_mm_loadu_ps(x + i + 4), mean));
    s2 = add_square(s2, _mm_sub_ps(_mm_loadu_ps(x + i + 8), mean));
    s3 = add_square(s3, _mm_sub_ps(_mm_loadu_ps(x + i + 12), mean));
  }
  for (; i + 4 <= n; i += 4) {
    s0 = add_square(s0, _mm_sub_ps(_mm_loadu_ps(x + i), mean));
  }
  for (; i < n; ++i) {
    const __m128 d = _mm_sub_ss(_mm_load_ss(x + i), mean);
    s1 = _mm_add_ss(s1, _mm_mul_ss(d, d));
  }
  return add_up(s0, s1, s2, s3);
}

static inline void normalise(float* y, const float* x, const float* w, const float* b, __m128 mean, __m128 scale) {
  const __m128 p = _mm_mul_ps(_mm_sub_ps(_mm_loadu_ps(x), mean), scale);
  _mm_storeu_ps(y, _mm_add_ps(_mm_mul_ps(p, _mm_loadu_ps(w)), _mm_loadu_ps(b)));
}

extern "C" void layer_norm_f32_sse(float* y, const float* x, const float* w, const float* b, float eps, size_t n) {
  const float count = static_cast<float>(n);
  const float mean = sum(x, n) / count;
  const __m128 means = _mm_set1_ps(mean);
  const float variance = sum_of_squares(x, means, n) / count;
  const float scale = 1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(variance + eps)));
  const __m128 scales = _mm_set1_ps(scale);
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    normalise(y + i, x + i, w + i, b + i, means, scales);
    normalise(y + i + 4, x + i + 4, w + i + 4, b + i + 4, means, scales);
    normalise(y + i + 8, x + i + 8, w + i + 8, b + i + 8, means, scales);
    normalise(y + i + 12, x + i + 12, w + i + 12, b + i + 12, means, scales);
  }
  for (; i + 4 <= n; i += 4) {
    normalise(y + i, x + i, w + i, b + i, means, scales);
  }
  for (; i < n; ++i) {
    y[i] = (x[i] - mean) * scale * w[i] + b[i];
  }
}
