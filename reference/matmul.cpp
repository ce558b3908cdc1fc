#include "reference/matmul.h"

#include <algorithm>
#include <cmath>

namespace reference {

MatmulRow matmul(const double* w, const double* x, size_t cols, size_t group) {
  MatmulRow result{0, 0, false, false};
  for (size_t begin = 0; begin < cols; begin += group) {
    double sum = 0;
    for (size_t c = begin; c < begin + group; ++c) {
      sum += w[c] * x[c];
    }
    result.sum += sum;
    if (std::isfinite(sum)) {
      result.sum_abs += std::fabs(sum);
      continue;
    }
    const auto all_nan = [group](const double* values) {
      return std::all_of(values, values + group, [](double value) { return std::isnan(value); });
    };
    result.special = true;
    result.has_nan = result.has_nan || all_nan(w + begin) || all_nan(x + begin);
  }
  return result;
}

}  // namespace reference
