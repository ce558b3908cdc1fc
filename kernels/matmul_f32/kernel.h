#pragma once
#include <stddef.h>

/// Packs the weights once: w is row-major, rows x cols (the layout of a GGUF tensor with ne = {cols, rows}).
/// The layout of `packed` is the variant's own. Returns the bytes that packed needs; with packed = NULL that
/// is all it does (w may then be NULL too). packed is aligned to 64 bytes.
typedef size_t matmul_f32_pack_fn(void* packed, const float* w, size_t rows, size_t cols);

/// y[t][r] = sum_c w[r][c] * x[t][c] + bias[r], for t in [0, tokens), r in [row_begin, row_end).
struct matmul_f32_args {
  float* y;            ///< tokens rows of `rows` floats, ldy apart; only columns row_begin..row_end-1 are written
  const void* packed;  ///< made by this variant's pack; aligned to 64 bytes
  const float* x;      ///< tokens rows of cols floats, ldx apart
  const float* bias;   ///< rows floats, or NULL for none
  size_t ldy, ldx;     ///< floats between consecutive tokens
  size_t rows, cols;   ///< as packed; >= 0
  size_t tokens;       ///< >= 0
  size_t row_begin;    ///< a multiple of 32 (so that chunks own whole tiles)
  size_t row_end;      ///< a multiple of 32, or rows
};

/// Alignment  packed 64 bytes, all else 4 bytes.
/// Aliasing   y overlaps nothing else.
/// NaN, Inf   as IEEE 754; the payload of a NaN is free. Rows and tokens never mix: a NaN in one
///            row of w or one token of x reaches that row's or token's results only. Subnormals are kept.
/// Error      |y - exact| <= c * u * (sum_c |w x| + |bias|) + (cols + 1) * 2^-149, u = 2^-24, c = cols + 1: one
///            running sum for each result, as register tiling has it. An inner product of n terms, here cols + 1
///            with the bias, has this bound for any order of its additions and without terms in u^2 (Jeannerod
///            and Rump, Improved error bounds for inner products in floating-point arithmetic, SIAM J. Matrix
///            Anal. Appl. 34, 2013). Partial sums are rounded too: where (1 + c * u) * (sum_c |w x| + |bias|) exceeds
///            FLT_MAX, Inf or NaN is allowed.
typedef void matmul_f32_fn(const struct matmul_f32_args* args);

/// JIT generator: writes position-independent code for key = {rows, cols, tokens} to code[0..capacity); returns
/// the bytes written, 0 if capacity is too small. Valid for that shape only; row_begin, row_end, ldx, ldy and
/// bias (NULL or not) stay free.
typedef size_t matmul_f32_gen(void* code, size_t capacity, const size_t* key);
