#pragma once
#include <stddef.h>

/// Quantizes x[0..n) to Q8_0: each 32 values become 34 bytes, fp16 d (little endian) and 32 int8.
/// With amax = max |x| over the block, in float, each operation rounded to nearest even:
///   d = fp16(amax / 127), q[i] = rint(x[i] * (127 / amax)).
/// Format: ggml type 8 (block_q8_0, QK8_0 = 32); the reciprocal is taken once, of amax.
///
/// Sizes      n >= 0, a multiple of 32; n = 0 touches nothing. dst has n / 32 * 34 bytes.
/// Alignment  x 4 bytes, dst 1 byte.
/// Aliasing   none.
/// NaN, Inf   a block with a NaN or Inf gets d = 0x7e00 (NaN) and q = 0. A block whose 127 / amax is not
///            finite (amax = 0 or so small that the quotient overflows) gets d = 0 and q = 0.
///            amax / 127 that rounds over 65504 makes d +Inf; a subnormal d is kept. -0 counts as 0.
/// Error      none: every bit is the same on every ISA.
typedef void quantize_q8_0_fn(void* dst, const float* x, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t quantize_q8_0_gen(void* code, size_t capacity, const size_t* key);
