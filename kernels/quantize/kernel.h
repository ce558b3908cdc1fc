#pragma once
#include <stddef.h>

// quantize_<format> for each format of codes in kernels/formats/ that is written here: weights of a model file. Where a kernel of that
// name quantizes activations, by another rule, it is quantize_<format>_file.

/// dst = the blocks of the format for x[0..n), n a multiple of its elements. Returns how many weights were written: n, or the number of
/// weights before the first block that the format cannot hold, because of a NaN, an Inf, or a scale that its number overflows; what
/// dst holds from that block on is free.
///
/// Alignment  x 4 bytes, dst 1 byte.
/// Aliasing   none.
/// Error      of a format with a rule (llama.cpp's quantize_row_<format>_ref, or that of its files of 2023) none: all arithmetic is of floats,
///            each operation is rounded, and every bit follows. Codes are found with the scale as a float, before it is
///            rounded to what the block stores. A scale whose reciprocal is no finite float counts as a zero of its sign.
///            Of Q2_K to Q6_K, IQ4_NL and IQ4_XS, whose scales are searched: given the scales, no code is further from its weight than
///            another would be, by over 2^-21 (|x| + |offset|); and a block's sum of squared errors is at most
///            1 + 2^-10 times that of the plain choice: each group's range becomes that of the codes, the largest scale and minimum of
///            the block the largest integers, the others the nearest, and the codes the nearest. A block whose plain
///            choice overflows may be refused.
typedef size_t quantize_fn(void* dst, const float* x, size_t n);
