#pragma once
#include <stddef.h>

/// Quantizes x[0..n) to a row of I8_S: a float d, the int32 sum of the codes and n int8, all little endian, 8 + n bytes. `scale` is that
/// of the weights that the row is multiplied with, which have no other (matmul_i2_s).
/// With largest = max(max |x|, 1e-5f), in float, each operation rounded to nearest even:
///   inverse = 127 / largest, q[i] = rint(x[i] * inverse), d = scale / inverse.
/// Format: the activations of BitNet b1.58 (Ma et al., "The Era of 1-bit LLMs", 2024), one scale a token.
///
/// Sizes      n a multiple of 32, 0 to 2^24, so that the sum is an int32; of n = 0 d and the sum are written. dst has 8 + n bytes.
/// Alignment  x 4 bytes, dst 1 byte.
/// Aliasing   none.
/// NaN, Inf   a row with a NaN or Inf gets d = NaN (0x7fc00000), and q and sum of 0. A scale of NaN makes d a NaN of any sign and payload.
///            A subnormal d is kept.
/// Error      none: every bit is the same on every ISA.
typedef void quantize_i8_s_fn(void* dst, const float* x, size_t n, float scale);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t quantize_i8_s_gen(void* code, size_t capacity, const size_t* key);
