#pragma once
#include <stddef.h>

/// y[i] = x / (1 + exp(-x)), i in [0, n): SiLU, also called swish.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   y may equal x; any other overlap is outside the contract.
/// NaN, Inf   silu(NaN) = NaN (payload free), silu(+Inf) = +Inf, silu(-Inf) = -0, silu(+-0) = +-0. Subnormal
///            results are kept; results under 2^-150 are -0.
/// Error      at most 3 ULP of the exact result, over all 2^32 inputs.
typedef void silu_f32_fn(float* y, const float* x, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t silu_f32_gen(void* code, size_t capacity, const size_t* key);
