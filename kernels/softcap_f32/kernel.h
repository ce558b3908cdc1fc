#pragma once
#include <stddef.h>

/// y[i] = c tanh(x[i] / c), i in [0, n): logits of Gemma 2, which stay within -c and c.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   y may equal x; any other overlap is outside the contract.
/// Domain     c in [2^-10, 2^20].
/// NaN, Inf   NaN for NaN (payload free); +-c for +-Inf; +-0 for +-0. The sign is that of x.
/// Error      at most 7 ULP of the exact result and c 2^-148: with E = e^(2 |x| / c) - 1 the result is c E / (E + 2). E is taken as
///            2^n (2^f - 1) + (2^n - 1), within 4.5 roundings, of which the quotient keeps 0.83 where n > 0, and three are to
///            come; of a tiny x it is subnormal.
typedef void softcap_f32_fn(float* y, const float* x, float c, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t softcap_f32_gen(void* code, size_t capacity, const size_t* key);
