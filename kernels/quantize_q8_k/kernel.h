#pragma once
#include <stddef.h>

/// Quantizes x[0..n) to Q8_K: each 256 values become 292 bytes, a float d, 256 int8 and 16 int16, all little endian.
/// With M = the first of the values whose magnitude is the largest, in float, each operation rounded to nearest even:
///   inverse = -127 / M, d = 1 / inverse, q[i] = rint(x[i] * inverse), sums[j] = q[16 j] + ... + q[16 j + 15].
/// Format: ggml type 15 (block_q8_K, QK_K = 256). The sums of a block of zeros are zeros, where ggml leaves them unwritten.
///
/// Sizes      n >= 0, a multiple of 256; n = 0 touches nothing. dst has n / 256 * 292 bytes.
/// Alignment  x 4 bytes, dst 1 byte.
/// Aliasing   none.
/// NaN, Inf   a block with a NaN or Inf gets d = NaN (0x7fc00000), and q and sums of 0. A block whose 127 / |M| is not finite (M = 0
///            or so small that the quotient overflows) gets d = +0, and q and sums of 0. A subnormal d is kept.
/// Error      none: every bit is the same on every ISA.
typedef void quantize_q8_k_fn(void* dst, const float* x, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t quantize_q8_k_gen(void* code, size_t capacity, const size_t* key);
