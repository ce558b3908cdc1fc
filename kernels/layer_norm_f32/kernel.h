#pragma once
#include <stddef.h>

/// y[i] = (x[i] - m) / sqrt(v + eps) * w[i] + b[i], i in [0, n): layer normalisation of one row, with
/// m = mean of x and v = mean of (x - m)^2, computed in two passes (never E[x^2] - m^2).
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   y may equal x; w and b overlap neither.
/// Domain     eps finite and > 0.
/// NaN, Inf   any NaN or Inf in x makes every y NaN; NaN or Inf in w and b as IEEE 754. Subnormals are kept. The sign of a
///            zero is free.
/// Error      u = 2^-24, c = ceil(n/16) + 8 (at least 16 partial sums, added pair by pair, and the mean's division), A = mean |x|, t = v + eps, s = sqrt(t):
///            dm = c u A + 2^-149              error of the mean m': its sum, its division, which may underflow
///            dl = (c + 6) u v + 2^-149        how far the variance may be too small
///            dh = dl + 2 dm^2                 how far it may be too large: mean (x - m')^2 = v + (m' - m)^2 exactly,
///                                             as the deviations sum to 0
///            g  = max(sqrt(t / max(eps, t - dl)) - 1, 1 - sqrt(t / (t + dh))) + 6u      relative error of 1/s
///            |y - exact| <= |w| / s * (dm + 2u|x - m| + |x - m| g) * (1 + g) + 3u (|exact| + |b|)
///                           + (1 + |w|) 2^-149     ((x - m) / s may underflow before w multiplies it)
///            The row is out of range where n A (1 + c u), n (v + dm^2) (1 + (c + 6) u) or t (1 + (c + 6) u) exceeds
///            FLT_MAX: b[i] (as 1/s becomes 0) or NaN is then allowed too. Where |w| / s * (...) alone exceeds FLT_MAX,
///            Inf is allowed, or NaN if b is Inf.
///            Where w is Inf and x - m may be 0 in float, |x - m| <= dm or |x - m| / sqrt(t + dh) < 2^-148, NaN or
///            either Inf is allowed.
typedef void layer_norm_f32_fn(float* y, const float* x, const float* w, const float* b, float eps, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t layer_norm_f32_gen(void* code, size_t capacity, const size_t* key);
