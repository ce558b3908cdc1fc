#pragma once
#include <cstddef>

namespace reference {

/// What softmax needs to know of its whole row, in double.
struct SoftmaxRow {
  bool nan;           ///< an element is NaN or +Inf: every y is NaN
  double max;         ///< the largest t = scale * x; -Inf for an empty or fully masked row
  double sum;         ///< sum of exp(t - max); 0 for an empty or fully masked row
  double mean_moved;  ///< mean of |t| + |max| + |t - max|, weighted by y
};
SoftmaxRow softmax_f32_row(const float* x, float scale, size_t n);

struct Softmax {
  double value;      ///< exp(t - max) / sum; 0 where x is -Inf
  double log_value;  ///< its logarithm, of use where the value is under 2^-1074
  double moved;      ///< |t| + |max| + |t - max|: u times this is how far rounding moves the argument
                     ///< of exp
};
Softmax softmax_f32(float x, float scale, const SoftmaxRow& row);

}  // namespace reference
