#pragma once
#include <stddef.h>

/// y[i] = s * x[i], i in [0, n): Gemma's embeddings, BitNet's scales.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   y may equal x; any other overlap is outside the contract.
/// NaN, Inf   as IEEE 754, for s too; the payload of a NaN is free. Signed zeros and subnormals are kept: nothing is flushed.
/// Error      none: correctly rounded, to nearest even.
typedef void scale_f32_fn(float* y, const float* x, float s, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t scale_f32_gen(void* code, size_t capacity, const size_t* key);
