#include "kernels/add_layer_norm_f32/kernel.h"
#include "kernels/shared/independent.h"
#include "kernels/shared/scalar_layer_norm.h"

extern "C" add_layer_norm_f32_fn add_layer_norm_f32_scalar;

extern "C" void add_layer_norm_f32_scalar(const struct add_layer_norm_f32_args* a) {
  const size_t n = a->n;
  const float* x = a->x;
  const float* residual = a->residual;
  float* sum = a->sum;
  float sums[32] = {};
  size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    INDEPENDENT_ITERATIONS  // sum may be x or residual itself, but no other element of them
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
  normalise_row(a->y, sum, a->w, a->b, a->eps, n, sums);
}
