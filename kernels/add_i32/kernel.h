#pragma once
#include <stddef.h>
#include <stdint.h>

/// z[i] = x[i] + y[i] modulo 2^32, i in [0, n): the wrapping sum of two's complement integers.
///
/// Sizes      n >= 0; n = 0 touches nothing.
/// Alignment  4 bytes each.
/// Aliasing   z may equal x or y (or both); any other overlap is outside the contract.
/// Error      none: every bit is exact.
typedef void add_i32_fn(int32_t* z, const int32_t* x, const int32_t* y, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t add_i32_gen(void* code, size_t capacity, const size_t* key);
