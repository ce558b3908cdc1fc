#include "kernels/shared/avx512.h"
#include "kernels/add_rms_norm_f32/kernel.h"

extern "C" add_rms_norm_f32_fn add_rms_norm_f32_avx512;

extern "C" void add_rms_norm_f32_avx512(float* y, float* sum, const float* x, const float* residual, const float* w,
                                        float eps, size_t n) {
  const auto add = [](__m512 v, __m512 r) { return _mm512_add_ps(v, r); };
  const auto add_square = [](__m512 s, __m512 v) { return _mm512_fmadd_ps(v, v, s); };
  const float squares = accumulate_to(sum, n, add, add_square, x, residual);
  const float mean_square = squares / static_cast<float>(n);
  const __m512 scale = _mm512_set1_ps(1.0f / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(mean_square + eps))));
  const auto normalise = [=](__m512 v, __m512 weight) { return _mm512_mul_ps(_mm512_mul_ps(v, scale), weight); };
  elementwise<4>(y, n, normalise, sum, w);
}
