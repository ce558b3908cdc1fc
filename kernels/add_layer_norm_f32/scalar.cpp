#include "kernels/shared/scalar.h"
#include "kernels/add_layer_norm_f32/kernel.h"

extern "C" add_layer_norm_f32_fn add_layer_norm_f32_scalar;

extern "C" void add_layer_norm_f32_scalar(const struct add_layer_norm_f32_args* a) {
  const size_t n = a->n;
  const float* x = a->x;
  const float* residual = a->residual;
  const float* w = a->w;
  const float* b = a->b;
  float* sum = a->sum;
  float* y = a->y;
  const float count = static_cast<float>(n);
  float sums[32] = {};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
#pragma GCC ivdep  // sum may be x or residual itself, but no other element of them: iterations are independent
    for (size_t j = 0; j < 32; ++j) {
      const float v = x[i + j] + residual[i + j];
      sum[i + j] = v;
      sums[j] += v;
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    const float v = x[i] + residual[i];
    sum[i] = v;
    sums[j] += v;
  }
  const float mean = add_up(sums) / count;

  float squares[32] = {};
  for (i = 0; i + 32 <= n; i += 32) {
    for (size_t j = 0; j < 32; ++j) {
      const float d = sum[i + j] - mean;
      squares[j] += d * d;
    }
  }
  for (size_t j = 0; i < n; ++i, ++j) {
    const float d = sum[i] - mean;
    squares[j] += d * d;
  }
  const float scale = 1.0f / __builtin_sqrtf(add_up(squares) / count + a->eps);

#pragma GCC ivdep  // y overlaps nothing
  for (i = 0; i < n; ++i) {
    y[i] = (sum[i] - mean) * scale * w[i] + b[i];
  }
}
