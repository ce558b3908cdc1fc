#include "reference/rms_norm_f32.h"

#include <cmath>

namespace reference {

double rms_norm_f32(double* y, const float* x, const float* w, float eps, size_t n) {
  double mean_square = 0;
  for (size_t i = 0; i < n; ++i) {
    mean_square += static_cast<double>(x[i]) * static_cast<double>(x[i]) / static_cast<double>(n);
  }
  const double s = std::sqrt(mean_square + static_cast<double>(eps));
  for (size_t i = 0; i < n; ++i) {
    y[i] = static_cast<double>(x[i]) / s * static_cast<double>(w[i]);
  }
  return mean_square;
}

}  // namespace reference
