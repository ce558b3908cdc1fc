#include "kernels/shared/sse.h"
#include "kernels/add_rms_norm_f32/kernel.h"

extern "C" add_rms_norm_f32_fn add_rms_norm_f32_sse;

extern "C" void add_rms_norm_f32_sse(float* y, float* sum, const float* x, const float* residual, const float* w,
                                     float eps, size_t n) {
  const auto add = [](__m128 v, __m128 r) { return _mm_add_ps(v, r); };
  const auto add_square = [](__m128 s, __m128 v) { return _mm_add_ps(s, _mm_mul_ps(v, v)); };
  const float squares = accumulate_to(sum, n, add, add_square, x, residual);
  const float mean_square = squares / static_cast<float>(n);
  const __m128 scale = _mm_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean_square + eps))));
  const auto normalise = [=](__m128 v, __m128 weight) { return _mm_mul_ps(_mm_mul_ps(v, scale), weight); };
  elementwise<4>(y, n, normalise, sum, w);
}
