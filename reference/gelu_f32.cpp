#include "reference/gelu_f32.h"

#include <cmath>
#include <numbers>

namespace reference {

double gelu_f32(double x) {
  if (std::isinf(x)) {
    return x > 0 ? x : -0.0;  // x / (1 + exp(-2z)) would be -Inf / Inf
  }
  // 1 + tanh(z) = 2 / (1 + exp(-2z)): no cancellation for z < 0. x^3 is under 2^384: no overflow in double; exp may
  // overflow to Inf, which makes the result -0.
  const double z = std::numbers::sqrt2 * std::numbers::inv_sqrtpi * (x + 0.044715 * x * x * x);
  return x / (1 + std::exp(-2 * z));
}

}  // namespace reference
