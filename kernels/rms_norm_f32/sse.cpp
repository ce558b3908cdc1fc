#include "kernels/shared/sse.h"
#include "kernels/rms_norm_f32/kernel.h"

extern "C" rms_norm_f32_fn rms_norm_f32_sse;

extern "C" void rms_norm_f32_sse(float* y, const float* x, const float* w, float eps, size_t n) {
  const auto add_square = [](__m128 s, __m128 v) { return _mm_add_ps(s, _mm_mul_ps(v, v)); };
  const float squares = accumulate(n, add_square, x);
  const float mean_square = squares / static_cast<float>(n);
  const __m128 scale = _mm_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean_square + eps))));
  const auto normalise = [=](__m128 v, __m128 weight) { return _mm_mul_ps(_mm_mul_ps(v, scale), weight); };
  elementwise<4>(y, n, normalise, x, w);
}
