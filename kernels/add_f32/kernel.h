#pragma once
#include <stddef.h>

/// z[i] = x[i] + y[i], i in [0, n): the residual connection.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   z may equal x or y (or both); any other overlap is outside the contract.
/// NaN, Inf   as IEEE 754 (Inf + -Inf is NaN); the payload of a NaN is free. Signed zeros and subnormals
///            are kept: nothing is flushed.
/// Error      none: correctly rounded, to nearest even.
typedef void add_f32_fn(float* z, const float* x, const float* y, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t add_f32_gen(void* code, size_t capacity, const size_t* key);
