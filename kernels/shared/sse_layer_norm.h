// What layer_norm_f32 and add_layer_norm_f32 share.
#pragma once
#include "kernels/shared/sse.h"

static inline float sum_of_squares(const float* x, __m128 mean, size_t n) {
  const auto whole = [&](__m128 s, size_t i) {
    const __m128 d = _mm_sub_ps(load(x + i), mean);
    return _mm_add_ps(s, _mm_mul_ps(d, d));
  };
  const auto rest = [&](__m128 s, size_t i) {  // lanes that are not there would count as 0 - mean
    const __m128 d = _mm_sub_ss(load_one(x + i), mean);
    return _mm_add_ps(s, _mm_mul_ps(d, d));
  };
  return sum_over(n, whole, rest);
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
