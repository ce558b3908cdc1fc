#pragma once
#include "kernels/matmul/kernel.h"

// matmul_q1_0 with the calls of the matmul family, each variant in a layout of its own. w is row-major, rows x (cols / 128) blocks of 18
// bytes (see quantize_q1_0).

typedef matmul_pack_fn matmul_q1_0_pack_fn;

/// y[t][r] = sum_c w[r][c] * x[t][c] + bias[r], for t in [0, tokens), r in [row_begin, row_end), with Q1_0 weights
/// and Q8_0 activations: with s = +-1 the sign bits, for each block b of 32 columns the integer
/// I_b = sum of s * q over the block is exact, and y = sum_b d1 * d8_b * I_b + bias in float. cols is a multiple of 128.
///
/// Alignment  packed and scratch 64 bytes, y and bias 4 bytes, x 1 byte.
/// Aliasing   y and scratch overlap nothing else.
/// Domain     every int8 value is allowed in x, -128 too; d1 and d8 are any fp16.
/// NaN, Inf   a NaN or Inf scale acts as IEEE 754 in the rows, or the token, that it belongs to and nowhere else
///            (Inf * 0 is NaN; where a row has both, Inf or NaN is allowed). fp16 subnormals are kept.
/// Error      |y - exact| <= (cols / 32 + 8) * u * (sum_b |d1 d8_b I_b| + |bias|) + 2^-140, u = 2^-24.
typedef matmul_fn matmul_q1_0_fn;

typedef matmul_gen matmul_q1_0_gen;
