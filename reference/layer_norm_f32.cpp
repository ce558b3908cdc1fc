#include "reference/layer_norm_f32.h"

#include <cmath>

namespace reference {

LayerNormRow layer_norm_f32(double* y, const float* x, const float* w, const float* b, float eps, size_t n) {
  const double count = static_cast<double>(n);
  LayerNormRow row{0, 0, 0};
  for (size_t i = 0; i < n; ++i) {
    row.mean += static_cast<double>(x[i]) / count;
    row.mean_abs += std::fabs(static_cast<double>(x[i])) / count;
  }
  for (size_t i = 0; i < n; ++i) {
    const double deviation = static_cast<double>(x[i]) - row.mean;
    row.variance += deviation * deviation / count;
  }
  const double s = std::sqrt(row.variance + static_cast<double>(eps));
  for (size_t i = 0; i < n; ++i) {
    y[i] = (static_cast<double>(x[i]) - row.mean) / s * static_cast<double>(w[i]) + static_cast<double>(b[i]);
  }
  return row;
}

}  // namespace reference
