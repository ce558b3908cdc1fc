#pragma once
#include <stddef.h>

/// Quantizes x[0..n) to Q1_0: each 128 weights become 18 bytes, fp16 d (little endian) and 128 bits, LSB first.
/// d = mean of |x| over the block; bit i = 1 stands for +d, 0 for -d; bit i = (x[i] >= 0).
/// Format: ggml type 41 (block_q1_0, QK1_0 = 128).
///
/// Sizes      n >= 0, a multiple of 128; n = 0 touches nothing. dst has n / 128 * 18 bytes.
/// Alignment  x 4 bytes, dst 1 byte.
/// Aliasing   none.
/// NaN, Inf   -0 >= 0 is true: bit 1. NaN gives bit 0 and makes d NaN (payload and sign free); else Inf makes d
///            +Inf. A mean over 65520 rounds to +Inf; subnormal d is kept.
/// Error      bits exact. d is the fp16 nearest (ties to even) to some value within 2^-20 of the exact mean, relative:
///            16 roundings, of which 16 partial sums need 11 (7 additions each, 4 levels of pairs). So d is one fp16
///            step off at most, and only where the mean lies that close to the middle of two fp16; and it is the
///            nearest where all partial sums are exact in float (multiples of one power of two, under 2^24 of it).
typedef void quantize_q1_0_fn(void* dst, const float* x, size_t n);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t quantize_q1_0_gen(void* code, size_t capacity, const size_t* key);
