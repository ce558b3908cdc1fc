#pragma once
#include <stddef.h>

/// y[i] = (x[i] - m) / sqrt(v + eps) * w[i] + b[i], i in [0, n): layer normalisation of one row, with
/// m = mean of x and v = mean of (x - m)^2, computed in two passes (never E[x^2] - m^2).
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   y may equal x; w and b overlap neither.
/// Domain     eps finite and > 0.
/// NaN, Inf   any NaN or Inf in x makes every y NaN; NaN or Inf in w and b as IEEE 754. Subnormals are kept.
/// Error      with s = sqrt(v + eps), A = mean |x|, c = ceil(n/16) + 20, u = 2^-24:
///            dm = c u A (error of the mean), dv = 2 dm^2 + (c + 6) u v (error of the variance, of which the first
///            order in dm vanishes as the deviations sum to 0), g = dv / (2 (v + eps)) + 6u;
///            |y - exact| <= |w| / s * (dm + 2u|x - m| + |x - m| g) * (1 + g) + 3u (|exact| + |b|) + 2^-148.
///            Where |x| sums or squares exceed FLT_MAX, Inf, 0 or NaN is allowed (the row is out of range).
typedef void layer_norm_f32_fn(float* y, const float* x, const float* w, const float* b, float eps,
                               size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t layer_norm_f32_gen(void* code, size_t capacity, const size_t* key);
