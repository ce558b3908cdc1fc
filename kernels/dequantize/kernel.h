#pragma once
#include <stddef.h>

// dequantize_<format> for each format of kernels/formats/: rows of an embedding.

/// y[i] = the weight number i of x, for i in [0, n): x is n / elements blocks of the format, n a multiple of its
/// elements.
///
/// Alignment  y 4 bytes, x 1 byte.
/// Aliasing   none.
/// NaN, Inf   as the product of scale and integer has them in IEEE 754, and its sum with the offset where the format has one; and so the
///            sign of a zero. Sign and payload of a NaN are free. Subnormals are kept.
/// Error      none but that of the sum, which is correctly rounded: the product of a scale and an integer of these formats is a float.
///            Where d and m are floats themselves the product is correctly rounded, and with an m
///            |y - exact| <= u * (|product| + |exact|) + 2^-148, u = 2^-24 * (1 + 2^-12): the product may be rounded too.
typedef void dequantize_fn(float* y, const void* x, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the bytes written, 0 if
/// capacity is too small. Valid for that n only, and in this process: it calls what takes a block apart.
typedef size_t dequantize_gen(void* code, size_t capacity, const size_t* key);
