#pragma once
#include <stddef.h>
#include <stdint.h>

/// y[i] = x[i] as fp16, i in [0, n), to nearest even: what a cache of keys and values keeps.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  x 4 bytes, y 2 bytes.
/// Aliasing   none.
/// NaN, Inf   a NaN for a NaN, its sign and payload free. 65520 and over is Inf. Signed zeros and subnormals are kept.
/// Error      none: correctly rounded.
typedef void convert_f16_fn(uint16_t* y, const float* x, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t convert_f16_gen(void* code, size_t capacity, const size_t* key);
