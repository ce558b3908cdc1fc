#include "reference/matmul_f32.h"

#include <cmath>

namespace reference {

MatmulResult matmul_f32(const float* w, const float* x, size_t cols, float bias) {
  MatmulResult result{0, 0};
  const auto add = [&](double term) {
    result.sum += term;
    result.sum_abs += std::isfinite(term) ? std::fabs(term) : 0;
  };
  for (size_t c = 0; c < cols; ++c) {
    add(static_cast<double>(w[c]) * static_cast<double>(x[c]));
  }
  add(static_cast<double>(bias));
  return result;
}

}  // namespace reference
