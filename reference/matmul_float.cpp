#include "reference/matmul_float.h"

#include <cmath>

namespace reference {

MatmulResult matmul_float(const double* w, const float* x, size_t cols, float bias) {
  MatmulResult result{0, 0};
  const auto add = [&](double term) {
    result.sum += term;
    result.sum_abs += std::isfinite(term) ? std::fabs(term) : 0;
  };
  for (size_t c = 0; c < cols; ++c) {
    add(w[c] * static_cast<double>(x[c]));
  }
  add(static_cast<double>(bias));
  return result;
}

}  // namespace reference
