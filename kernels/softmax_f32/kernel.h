#pragma once
#include <stddef.h>

/// y[i] = exp(t[i] - max t) / sum_j exp(t[j] - max t), with t = scale * x, i in [0, n): stable softmax.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   y may equal x; any other overlap is outside the contract.
/// Domain     scale finite and > 0; |scale * x[i]| <= FLT_MAX / 2 for finite x[i].
/// NaN, Inf   x[i] = -Inf is a masked element: its y is +0. A row in which every x is -Inf gives
///            all +0. If any x is NaN or +Inf, every y is NaN. Subnormal results are kept.
/// Error      |y[i] - exact| <= exact * u * (4 + 2|t[i]| + 2|max t| + 2|t[i] - max t| + c(n) + D) + 4 * 2^-149,
///            u = 2^-24, c(n) = ceil(n/16) + 24, D = the exact-weighted mean over j of
///            2|t[j]| + 2|max t| + 2|t[j] - max t|: rounding of t and of the difference passes through exp as
///            a relative error, in the element and (weighted) in the sum; exp itself may err by 1 ULP.
typedef void softmax_f32_fn(float* y, const float* x, float scale, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t softmax_f32_gen(void* code, size_t capacity, const size_t* key);
