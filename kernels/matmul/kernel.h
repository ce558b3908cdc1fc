#pragma once
#include <stddef.h>

#include "assay/contract.h"

// The matmul family: matmul_<format> for each format of kernels/formats/. Here is what is true of all: the calls; and the contract
// of those whose weights are multiplied with Q8_0 activations. That of floats is in kernels/matmul_float/kernel.h. pack takes a
// format's blocks apart and lays the integers and scales of the file out for the tile (layout.h), of which there is one for each
// layout and ISA: formats differ in pack, ISAs in run. What serves one format only lies in a folder of its name (q1_0/), with a pack
// and a layout of its own.

/// Packs the weights once, rows of cols / elements blocks of the format.
typedef assay_pack_fn matmul_pack_fn;

/// y[t][r] = sum_c w[r][c] * x[t][c] + bias[r], for t in [0, tokens), r in [row_begin, row_end). For each block b of columns
/// that share a scale d_w of w and a scale d_x of x, the integer I_b is exact: the sum of the products of their codes, of K-quants each
/// times its integer scale. Where the format has a minimum m_w, M_b likewise is the sum of the codes of x, of K-quants each part of it times
/// its integer minimum with the opposite sign. y = sum_b d_w * d_x * I_b (+ m_w * d_x * M_b) + bias in float.
/// Of weights that have one scale for all of the tensor, which d_x has in it, all columns are one block: y = d_x * I + bias.
struct matmul_args {
  float* y;            ///< tokens rows of `rows` floats, ldy apart; only columns row_begin..row_end-1 are written
  const void* packed;  ///< made by this variant's pack; aligned to 64 bytes
  const void*
      x;  ///< tokens rows, densely packed, of the contract's activations: cols / 32 blocks of Q8_0 (34 bytes each), cols / 256
      ///< of Q8_K (292 bytes), a row of I8_S (8 + cols bytes), or cols floats
  const float* bias;  ///< rows floats, or NULL for none
  void* scratch;  ///< as many bytes as the contract says, aligned to 64, uninitialised; contents afterwards are free
  size_t ldy;     ///< floats between consecutive tokens of y
  size_t rows, cols;  ///< as packed; cols a multiple of the format's block
  size_t tokens;      ///< >= 0
  size_t row_begin;   ///< a multiple of 64 (so that chunks own whole tiles)
  size_t row_end;     ///< a multiple of 64, or rows
};

/// Alignment  packed and scratch 64 bytes, y and bias 4 bytes, x 1 byte.
/// Aliasing   y and scratch overlap nothing else.
/// Domain     every code is allowed in w and in x of Q8_0, -128 too; scales are any fp16. x of Q8_K or I8_S is what quantize_q8_k or
///            quantize_i8_s makes: codes of -127 and more, with their sums; its scales, and those of w that are powers of two or floats, are at most 2^110.
/// NaN, Inf   a NaN or Inf scale acts as IEEE 754 in the rows, or the token, that it belongs to and nowhere else
///            (Inf * 0 is NaN; where a row has both, Inf or NaN is allowed). fp16 subnormals are kept.
/// Error      |y - exact| <= (terms + 4) * u * (sum_b |d_w d_x I_b| + |m_w d_x M_b| + |bias|) + 2^-140, u = 2^-24, where a block is
///            one term, or two with a minimum: an integer over 2^24 is rounded, and so is the product of two scales that are not both
///            fp16, the product of both, and each sum; the bias is one more. Where one scale is no fp16 their product may be
///            subnormal: 2^-121 more for each term. The sign of a zero is free.
typedef void matmul_fn(const struct matmul_args* args);

/// JIT generator: writes position-independent code for key = {rows, cols, tokens, prefetch, tile} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. Valid for that shape only; row_begin, row_end, ldy and bias (NULL or not) stay free.
typedef size_t matmul_gen(void* code, size_t capacity, const size_t* key);
