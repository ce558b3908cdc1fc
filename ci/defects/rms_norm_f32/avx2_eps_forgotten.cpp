// defect: eps is not added
// class: operands
// stands for: a parameter that is passed and not used
// caught by: value
#include <immintrin.h>

#include "kernels/rms_norm_f32/kernel.h"

extern "C" rms_norm_f32_fn rms_norm_f32_avx2_eps_forgotten;

static float sum(const float* x, size_t n) {
  __m256 s = _mm256_setzero_ps();
  __m256 t = _mm256_setzero_ps();
  size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m256 v = _mm256_loadu_ps(x + i);
    s = _mm256_fmadd_ps(v, v, s);
    const __m256 u = _mm256_loadu_ps(x + i + 8);
    t = _mm256_fmadd_ps(u, u, t);
  }
  float rest = 0;
  for (; i < n; ++i) {
    rest += x[i] * x[i];
  }
  s = _mm256_add_ps(s, t);
  const __m128 a = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  const __m128 b = _mm_add_ps(a, _mm_movehl_ps(a, a));
  return _mm_cvtss_f32(_mm_add_ss(b, _mm_movehdup_ps(b))) + rest;
}

extern "C" void rms_norm_f32_avx2_eps_forgotten(float* y, const float* x, const float* w, float, size_t n) {
  const float scale = 1.0f / __builtin_sqrtf(sum(x, n) / static_cast<float>(n));
  for (size_t i = 0; i < n; ++i) {
    y[i] = x[i] * scale * w[i];
  }
}
