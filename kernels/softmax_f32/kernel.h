#pragma once
#include <stddef.h>

/// y[i] = exp(t[i] - max t) / sum_j exp(t[j] - max t), with t = scale * x, i in [0, n): stable softmax.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   y may equal x; any other overlap is outside the contract.
/// Domain     scale finite and > 0; |scale * x[i]| <= FLT_MAX / 2 for finite x[i].
/// NaN, Inf   x[i] = -Inf is a masked element: its y is +0. A row in which every x is -Inf gives
///            all +0. If any x is NaN or +Inf, every y is NaN. Subnormal results are kept. No y is -0.
/// Error      |y[i] - exact| <= exact * (e^(u*A[i]) - 1) + 4 * 2^-149, u = 2^-24,
///            A[i] = 12 + ceil(n/16) + a[i] + 2 * mean a, a[i] = |t[i]| + |max t| + |t[i] - max t|, the mean
///            weighted by the exact y. Rounding t[i], max t and their difference moves the argument of exp by
///            at most u*a[i]; it passes through exp as a factor of at most e^(u*a[i]), in the element and
///            (weighted) in the sum. exp may err by 2u, in the element and in the sum; the
///            reciprocal and the product round once each; at least 16 partial sums take ceil(n/16) + 4
///            additions. That is ceil(n/16) + 10, and 2 for the second order. No first-order bound would hold where
///            u*a[i] is near 1 or over it: there rounding of t alone may change a weight by any factor.
typedef void softmax_f32_fn(float* y, const float* x, float scale, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t softmax_f32_gen(void* code, size_t capacity, const size_t* key);
