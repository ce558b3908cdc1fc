#pragma once
#include <cstddef>

namespace reference {

/// What the error bound of a row needs.
struct LayerNormRow {
  double mean;
  double mean_abs;  ///< mean of |x|
  double variance;  ///< mean of (x - mean)^2
};

/// y[i] = (x[i] - mean) / sqrt(variance + eps) * w[i] + b[i] of n floats, in double and two passes. A NaN or Inf in x
/// makes every y NaN.
LayerNormRow layer_norm_f32(double* y, const float* x, const float* w, const float* b, float eps, size_t n);

}  // namespace reference
