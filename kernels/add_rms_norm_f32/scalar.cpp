#include "kernels/shared/scalar.h"
#include "kernels/add_rms_norm_f32/kernel.h"
#include "kernels/shared/independent.h"

extern "C" add_rms_norm_f32_fn add_rms_norm_f32_scalar;

extern "C" void add_rms_norm_f32_scalar(float* y, float* sum, const float* x, const float* residual, const float* w,
                                        float eps, size_t n) {
  float squares[32] = {};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    INDEPENDENT_ITERATIONS  // sum may be x or residual itself, but no other element of them
    for (size_t j = 0; j < 32; ++j) {
      const float v = x[i + j] + residual[i + j];
      sum[i + j] = v;
      squares[j] += v * v;
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    const float v = x[i] + residual[i];
    sum[i] = v;
    squares[j] += v * v;
  }
  const float scale = 1.0f / __builtin_sqrtf(add_up(squares) / static_cast<float>(n) + eps);

  INDEPENDENT_ITERATIONS  // y overlaps nothing
  for (i = 0; i < n; ++i) {
    y[i] = sum[i] * scale * w[i];
  }
}
