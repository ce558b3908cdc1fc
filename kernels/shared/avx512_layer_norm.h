// What layer_norm_f32 and add_layer_norm_f32 share.
#pragma once
#include "kernels/shared/avx512.h"

static inline float sum_of_squares(const float* x, __m512 mean, size_t n) {
  const auto whole = [&](__m512 s, size_t i) {
    const __m512 d = _mm512_sub_ps(load(x + i), mean);
    return _mm512_fmadd_ps(d, d, s);
  };
  const auto rest = [&](__m512 s, size_t i, __mmask16 mask) {  // lanes that are not there would count as 0 - mean
    const __m512 d = _mm512_maskz_sub_ps(mask, load(x + i, mask), mean);
    return _mm512_fmadd_ps(d, d, s);
  };
  return sum_over(n, whole, rest);
}

// y[i] = (x[i] - m) / sqrt(v + eps) * w[i] + b[i], of a row whose sum is known.
static inline void normalise_row(float* y, const float* x, const float* w, const float* b, float eps, size_t n,
                                 float sum) {
  const float count = static_cast<float>(n);
  const __m512 mean = _mm512_set1_ps(sum / count);
  const float variance = sum_of_squares(x, mean, n) / count;
  const __m512 scale = _mm512_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(variance + eps))));
  const auto normalise = [=](__m512 v, __m512 weight, __m512 bias) {
    const __m512 p = _mm512_mul_ps(_mm512_sub_ps(v, mean), scale);
    return _mm512_fmadd_ps(p, weight, bias);
  };
  elementwise<4>(y, n, normalise, x, w, b);
}
