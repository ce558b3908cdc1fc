#pragma once
#include <cstddef>

namespace reference {

/// y[i] = x[i] / sqrt(mean(x^2) + eps) * w[i] of n floats, in double. Returns mean(x^2), which the error bound needs.
/// A NaN in x makes every y NaN; an Inf in x gives NaN at that element and 0 at the finite ones.
double rms_norm_f32(double* y, const float* x, const float* w, float eps, size_t n);

}  // namespace reference
