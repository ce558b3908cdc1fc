#include "kernels/shared/sse.h"
#include "kernels/scale_f32/kernel.h"

extern "C" scale_f32_fn scale_f32_sse;

extern "C" void scale_f32_sse(float* y, const float* x, float s, size_t n) {
  const auto factor = _mm_set1_ps(s);
  const auto scaled = [factor](auto v) { return _mm_mul_ps(v, factor); };
  elementwise<4>(y, n, scaled, x);
}
