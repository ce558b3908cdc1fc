#pragma once
#include <cstddef>

namespace reference {

struct Dot {
  double sum;      ///< sum of x[i] * y[i]
  double sum_abs;  ///< sum of |x[i] * y[i]| over the finite products
};

/// The dot product of n floats, in double: products are exact, the sum's error is under n * 2^-53 * sum_abs.
Dot dot_f32(const float* x, const float* y, size_t n);

}  // namespace reference
