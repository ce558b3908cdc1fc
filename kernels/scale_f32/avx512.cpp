#include "kernels/shared/avx512.h"
#include "kernels/scale_f32/kernel.h"

extern "C" scale_f32_fn scale_f32_avx512;

extern "C" void scale_f32_avx512(float* y, const float* x, float s, size_t n) {
  const auto factor = _mm512_set1_ps(s);
  const auto scaled = [factor](auto v) { return _mm512_mul_ps(v, factor); };
  elementwise<4>(y, n, scaled, x);
}
