// What layer_norm_f32 and add_layer_norm_f32 share.
#pragma once
#include "kernels/shared/sse.h"

static inline float sum_of_squares(const float* x, __m128 mean, size_t n) {
  __m128 s[4] = {_mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps(), _mm_setzero_ps()};
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; ++j) {
      const __m128 d = _mm_sub_ps(load(x + i + 4 * j), mean);
      s[j] = _mm_add_ps(s[j], _mm_mul_ps(d, d));
    }
  }
  for (; i + 4 <= n; i += 4) {
    const __m128 d = _mm_sub_ps(load(x + i), mean);
    s[0] = _mm_add_ps(s[0], _mm_mul_ps(d, d));
  }
  for (; i < n; ++i) {
    const __m128 d = _mm_sub_ss(load_one(x + i), mean);  // lanes that are not there would count as 0 - mean
    s[1] = _mm_add_ps(s[1], _mm_mul_ps(d, d));
  }
  return add_up(s);
}

// y[i] = (x[i] - m) / sqrt(v + eps) * w[i] + b[i], of a row whose sum is known.
static inline void normalise_row(float* y, const float* x, const float* w, const float* b, float eps, size_t n,
                                 float sum) {
  const float count = static_cast<float>(n);
  const __m128 mean = _mm_set1_ps(sum / count);
  const float variance = sum_of_squares(x, mean, n) / count;
  const __m128 scale = _mm_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(variance + eps))));
  const auto normalise = [=](__m128 v, __m128 weight, __m128 bias) {
    const __m128 p = _mm_mul_ps(_mm_sub_ps(v, mean), scale);
    return _mm_add_ps(_mm_mul_ps(p, weight), bias);
  };
  elementwise<4>(y, n, normalise, x, w, b);
}
