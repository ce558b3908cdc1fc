#pragma once
#include <stddef.h>

/// y[i] = x[i] / sqrt(mean(x^2) + eps) * w[i], i in [0, n): root mean square normalisation of one row.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   y may equal x; w does not overlap y.
/// Domain     eps finite and > 0.
/// NaN, Inf   a NaN in x makes every y NaN. An Inf in x gives NaN at that element, and +-0 (NaN where w is Inf or
///            NaN) at the finite ones. NaN or Inf in w as IEEE 754. Subnormals are kept.
/// Error      |y - exact| <= |exact| * u * (c(n) / 2 + 8) + 2^-148, u = 2^-24, c(n) = ceil(n/16) + 20: half the
///            relative error of the sum of squares (square root), then five roundings.
///            Where the sum of squares exceeds FLT_MAX, 0 or NaN is allowed (the row is out of range);
///            where it is under FLT_MIN * n and eps is also, squares may be lost to underflow: then
///            the error of the mean square is n * 2^-149 absolute.
typedef void rms_norm_f32_fn(float* y, const float* x, const float* w, float eps, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t rms_norm_f32_gen(void* code, size_t capacity, const size_t* key);
