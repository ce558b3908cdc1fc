#pragma once
#include <cstddef>

namespace reference {

struct MatmulRow {
  double sum;      ///< sum_b I_b, exactly but for 2^-53 of sum_abs for each b
  double sum_abs;  ///< sum_b |I_b| over the finite terms
  bool special;    ///< a scale is NaN or Inf: the sum is the one or the other
  bool has_nan;    ///< a scale is NaN, so the result must be
};

/// One row of weights times one token of activations, `cols` of each, decoded: sum_b I_b, where I_b is the sum of the products
/// of `group` consecutive columns, which share a scale of each. Such products have at most 38 significant bits and one
/// exponent, so I_b is exact in double.
MatmulRow matmul(const double* w, const double* x, size_t cols, size_t group);

}  // namespace reference
