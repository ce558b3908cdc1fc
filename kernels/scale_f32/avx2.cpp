#include "kernels/shared/avx2.h"
#include "kernels/scale_f32/kernel.h"

extern "C" scale_f32_fn scale_f32_avx2;

extern "C" void scale_f32_avx2(float* y, const float* x, float s, size_t n) {
  const auto factor = _mm256_set1_ps(s);
  const auto scaled = [factor](auto v) { return _mm256_mul_ps(v, factor); };
  elementwise<4>(y, n, scaled, x);
}
