#pragma once
#include <cstddef>

namespace reference {

struct MatmulResult {
  double sum;      ///< sum of w[c] * x[c], plus the bias
  double sum_abs;  ///< sum of |w[c] * x[c]| plus |bias|, over the finite ones
};

/// One result of a matrix product, in double: the row w of the weights, which are floats of 32 or fewer bits, and the token x,
/// `cols` each. Products are exact, the sum's error is under (cols + 1) * 2^-53 * sum_abs.
MatmulResult matmul_float(const double* w, const float* x, size_t cols, float bias);

}  // namespace reference
