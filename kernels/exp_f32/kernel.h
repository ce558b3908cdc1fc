#pragma once
#include <stddef.h>

/// y[i] = e^x[i], i in [0, n).
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   y may equal x; any other overlap is outside the contract.
/// NaN, Inf   exp(NaN) = NaN (payload free), exp(+Inf) = +Inf, exp(-Inf) = +0, exp(+-0) = 1. Results over
///            FLT_MAX are +Inf; subnormal results are kept, and those under 2^-150 are +0.
/// Error      at most 1 ULP of the exact result, over all 2^32 inputs.
typedef void exp_f32_fn(float* y, const float* x, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t exp_f32_gen(void* code, size_t capacity, const size_t* key);
