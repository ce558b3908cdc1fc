#include "reference/silu_f32.h"

#include <cmath>

namespace reference {

double silu_f32(double x) {
  if (std::isinf(x)) {
    return x > 0 ? x : -0.0;  // -Inf / Inf is no number
  }
  return x / (1 + std::exp(-x));
}

}  // namespace reference
