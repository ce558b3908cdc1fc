#include "kernels/shared/avx2.h"
#include "kernels/rms_norm_f32/kernel.h"

extern "C" rms_norm_f32_fn rms_norm_f32_avx2;

extern "C" void rms_norm_f32_avx2(float* y, const float* x, const float* w, float eps, size_t n) {
  const auto add_square = [](__m256 s, __m256 v) { return _mm256_fmadd_ps(v, v, s); };
  const float squares = accumulate(n, add_square, x);
  const float mean_square = squares / static_cast<float>(n);
  const __m256 scale = _mm256_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean_square + eps))));
  const auto normalise = [=](__m256 v, __m256 weight) { return _mm256_mul_ps(_mm256_mul_ps(v, scale), weight); };
  elementwise<4>(y, n, normalise, x, w);
}
