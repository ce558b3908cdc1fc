#include "reference/matmul.h"

#include <cmath>

namespace reference {

MatmulRow matmul(const Format& weights, const uint8_t* w_row, const Format& activations, const uint8_t* x_token,
                 size_t cols, size_t group) {
  const std::vector<double> w = decode(weights, w_row, cols / weights.elements);
  const std::vector<double> x = decode(activations, x_token, cols / activations.elements);
  MatmulRow result{0, 0, false, false};
  for (size_t begin = 0; begin < cols; begin += group) {
    double sum = 0;
    bool finite = true;
    bool all_nan_w = true;
    bool all_nan_x = true;
    for (size_t c = begin; c < begin + group; ++c) {
      sum += w[c] * x[c];
      finite = finite && std::isfinite(w[c]) && std::isfinite(x[c]);
      all_nan_w = all_nan_w && std::isnan(w[c]);
      all_nan_x = all_nan_x && std::isnan(x[c]);
    }
    result.sum += sum;
    result.sum_abs += finite ? std::fabs(sum) : 0;
    result.special = result.special || !finite;
    result.has_nan = result.has_nan || all_nan_w || all_nan_x;
  }
  return result;
}

}  // namespace reference
