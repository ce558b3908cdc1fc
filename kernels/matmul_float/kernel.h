#pragma once
#include "kernels/matmul/kernel.h"

// matmul_<format> for the weights that are floats, with the calls of the matmul family: matmul_args, matmul_pack_fn, matmul_gen.
// Here w is row-major, rows x cols floats of the format, aligned to 1 byte, and x is tokens rows of cols floats.
//
/// y[t][r] = sum_c w[r][c] * x[t][c] + bias[r], for t in [0, tokens), r in [row_begin, row_end); cols is any number.
///
/// Alignment  packed and scratch 64 bytes, all else 4 bytes.
/// Aliasing   y and scratch overlap nothing else.
/// NaN, Inf   as IEEE 754; the payload of a NaN is free. Rows and tokens never mix: a NaN in one
///            row of w or one token of x reaches that row's or token's results only. Subnormals are kept. The sign of a zero is free.
/// Error      |y - exact| <= c * u * (sum_c |w x| + |bias|) + (cols + 1) * 2^-149, u = 2^-24, c = cols + 1: one
///            running sum for each result, as register tiling has it. An inner product of n terms, here cols + 1
///            with the bias, has this bound for any order of its additions and without terms in u^2 (Jeannerod
///            and Rump, Improved error bounds for inner products in floating-point arithmetic, SIAM J. Matrix
///            Anal. Appl. 34, 2013). Partial sums are rounded too: where (1 + c * u) * (sum_c |w x| + |bias|) exceeds
///            FLT_MAX, Inf or NaN is allowed.
///
/// JIT generator: key = {rows, cols, tokens, prefetch, tile}, the last two as the contract's parameters say.
