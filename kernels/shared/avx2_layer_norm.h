// What layer_norm_f32 and add_layer_norm_f32 share.
#pragma once
#include "kernels/shared/avx2.h"

static inline float sum_of_squares(const float* x, __m256 mean, size_t n) {
  const auto whole = [&](__m256 s, size_t i) {
    const __m256 d = _mm256_sub_ps(load(x + i), mean);
    return _mm256_fmadd_ps(d, d, s);
  };
  const auto rest = [&](__m256 s, size_t i, __m256i mask) {  // lanes that are not there would count as 0 - mean
    const __m256 d = _mm256_and_ps(_mm256_castsi256_ps(mask), _mm256_sub_ps(load(x + i, mask), mean));
    return _mm256_fmadd_ps(d, d, s);
  };
  return sum_over(n, whole, rest);
}

// y[i] = (x[i] - m) / sqrt(v + eps) * w[i] + b[i], of a row whose sum is known.
static inline void normalise_row(float* y, const float* x, const float* w, const float* b, float eps, size_t n,
                                 float sum) {
  const float count = static_cast<float>(n);
  const __m256 mean = _mm256_set1_ps(sum / count);
  const float variance = sum_of_squares(x, mean, n) / count;
  const __m256 scale = _mm256_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(variance + eps))));
  const auto normalise = [=](__m256 v, __m256 weight, __m256 bias) {
    const __m256 p = _mm256_mul_ps(_mm256_sub_ps(v, mean), scale);
    return _mm256_fmadd_ps(p, weight, bias);
  };
  elementwise<4>(y, n, normalise, x, w, b);
}
