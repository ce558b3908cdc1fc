#pragma once
#include <stddef.h>

/// y[i] = x[i] / sqrt(mean(x^2) + eps) * w[i], i in [0, n): root mean square normalisation of one row.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   y may equal x; w does not overlap y.
/// Domain     eps finite and > 0.
/// NaN, Inf   a NaN in x makes every y NaN. An Inf in x gives NaN at that element, and +-0 (NaN where w is Inf or
///            NaN) at the finite ones. NaN or Inf in w as IEEE 754. Subnormals are kept. The sign, of a zero too, is that of x times w.
/// Error      |y - exact| <= |exact| * (h (1 + e) + e) + (1 + |w|) 2^-149, with u = 2^-24:
///            h = u * (c / 2 + 6), c = ceil(n/16) + 5 (a square's rounding, at least 16 partial sums, added pair by
///            pair): half the relative error of the sum of squares (square root); then mean, + eps, which count half,
///            root, quotient and two products round, and 1 for the second order;
///            e = sqrt(t / max(eps, t - 2^-149)) - 1, t = mean(x^2) + eps: squares and their mean may underflow, by
///            2^-149 in the mean; it matters where t is near FLT_MIN or less;
///            the last term: x / sqrt(t) may underflow before w multiplies it, and so may the product.
///            The row is out of range where the sum of squares or t, times 1 + c u, exceeds FLT_MAX: +-0 (NaN where w
///            is Inf) is then allowed too. Where w is Inf and |x| / sqrt(t) < 2^-148, NaN is allowed too.
typedef void rms_norm_f32_fn(float* y, const float* x, const float* w, float eps, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t rms_norm_f32_gen(void* code, size_t capacity, const size_t* key);
