#pragma once
#include <stddef.h>

/// sum[i] = x[i] + residual[i], and y[i] = (sum[i] - m) / sqrt(v + eps) * w[i] + b[i], i in [0, n), with m the mean of sum and v that of
/// (sum - m)^2: a residual is added and the row that comes out is normalised, which is written too.
struct add_layer_norm_f32_args {
  float *y, *sum;             ///< n floats each
  const float *x, *residual;  ///< likewise
  const float *w, *b;         ///< likewise
  size_t n;                   ///< >= 0; 0 touches nothing
  float eps;                  ///< finite, > 0
};

/// Alignment  4 bytes each.
/// Aliasing   sum may equal x or residual; y, w and b overlap nothing.
/// NaN, Inf   sum as IEEE 754; y as layer_norm_f32 has them of the row sum.
/// Error      sum is correctly rounded. Of y what layer_norm_f32 allows for the row sum.
typedef void add_layer_norm_f32_fn(const struct add_layer_norm_f32_args* args);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t add_layer_norm_f32_gen(void* code, size_t capacity, const size_t* key);
