#pragma once
#include <stddef.h>

/// sum[i] = x[i] + residual[i], and y[i] = sum[i] / sqrt(mean(sum^2) + eps) * w[i], i in [0, n): a residual is added and the row that comes
/// out is normalised, which is written too.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   sum may equal x or residual; y and w overlap nothing.
/// Domain     eps finite and > 0.
/// NaN, Inf   sum as IEEE 754; y as rms_norm_f32 has them of the row sum.
/// Error      sum is correctly rounded. Of y what rms_norm_f32 allows for the row sum.
typedef void add_rms_norm_f32_fn(float* y, float* sum, const float* x, const float* residual, const float* w, float eps,
                                 size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t add_rms_norm_f32_gen(void* code, size_t capacity, const size_t* key);
