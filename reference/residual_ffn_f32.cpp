#include "reference/residual_ffn_f32.h"

#include <cmath>

namespace reference {

ResidualFfn residual_ffn_f32(float a, float b, float w) {
  const double sum = static_cast<double>(a) + static_cast<double>(b);
  const double product = static_cast<double>(b) * static_cast<double>(w);
  return {sum + product, std::fabs(sum) + std::fabs(product),
          std::fabs(static_cast<double>(a)) + std::fabs(static_cast<double>(b)) + std::fabs(product)};
}

}  // namespace reference
