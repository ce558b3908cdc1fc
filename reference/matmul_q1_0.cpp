#include "reference/matmul_q1_0.h"

#include <cmath>

#include "reference/formats/f16.h"

namespace reference {

MatmulQ1 matmul_q1_0(const uint8_t* w_row, const uint8_t* x_token, size_t cols) {
  MatmulQ1 result{0, 0, false};
  for (size_t b = 0; b < cols / 32; ++b) {
    const uint8_t* w = w_row + b / 4 * 18;
    const uint8_t* x = x_token + b * 34;
    const double d1 = half_at(w);
    const double d8 = half_at(x);
    int sum = 0;
    for (size_t i = 0; i < 32; ++i) {
      const size_t bit = b % 4 * 32 + i;
      const int q = static_cast<int8_t>(x[2 + i]);
      sum += (w[2 + bit / 8] >> bit % 8 & 1) != 0 ? q : -q;
    }
    const double term = d1 * d8 * sum;
    result.sum += term;
    result.sum_abs += std::isfinite(term) ? std::fabs(term) : 0;
    result.has_nan = result.has_nan || std::isnan(d1) || std::isnan(d8);
  }
  return result;
}

}  // namespace reference
