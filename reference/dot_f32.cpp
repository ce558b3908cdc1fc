#include "reference/dot_f32.h"

#include <cmath>

namespace reference {

Dot dot_f32(const float* x, const float* y, size_t n) {
  Dot dot{0, 0};
  for (size_t i = 0; i < n; ++i) {
    const double product = static_cast<double>(x[i]) * static_cast<double>(y[i]);
    dot.sum += product;
    dot.sum_abs += std::isfinite(product) ? std::fabs(product) : 0;
  }
  return dot;
}

}  // namespace reference
