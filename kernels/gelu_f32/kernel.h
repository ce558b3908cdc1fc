#pragma once
#include <stddef.h>

/// y[i] = 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), i in [0, n): the tanh form of GELU, as GPT-2 has it.
/// Equal to x / (1 + exp(-2z)) with z = sqrt(2/pi) (x + 0.044715 x^3), which does not cancel for x < 0.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   y may equal x; any other overlap is outside the contract.
/// NaN, Inf   gelu(NaN) = NaN (payload free), gelu(+Inf) = +Inf, gelu(-Inf) = -0, gelu(+-0) = +-0. Subnormal
///            results are kept; results under 2^-150 are -0.
/// Error      at most 3 ULP of the exact result, over all 2^32 inputs.
typedef void gelu_f32_fn(float* y, const float* x, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t gelu_f32_gen(void* code, size_t capacity, const size_t* key);
