#include "reference/gelu_erf_f32.h"

#include <cmath>
#include <numbers>

namespace reference {

double gelu_erf_f32(double x) {
  if (std::isinf(x)) {
    return x > 0 ? x : -0.0;  // -Inf * 0 is no number
  }
  return 0.5 * x * std::erfc(-x / std::numbers::sqrt2);
}

}  // namespace reference
