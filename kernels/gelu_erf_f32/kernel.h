#pragma once
#include <stddef.h>

/// y[i] = x Phi(x) = 0.5 x (1 + erf(x / sqrt(2))), i in [0, n): the exact form of GELU, as GPT-NeoX has it.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   y may equal x; any other overlap is outside the contract.
/// NaN, Inf   gelu(NaN) = NaN (payload free), gelu(+Inf) = +Inf, gelu(-Inf) = -0, gelu(+-0) = +-0. Subnormal
///            results are kept; results under 2^-150 are -0.
/// Error      at most 7 ULP of the exact result, over all 2^32 inputs: the tail Phi(-|x|) is a product of five rounded factors, one of which
///            hangs on its argument 2.4 times.
typedef void gelu_erf_f32_fn(float* y, const float* x, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t gelu_erf_f32_gen(void* code, size_t capacity, const size_t* key);
