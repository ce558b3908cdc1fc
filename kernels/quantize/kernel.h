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
///            The scales of Q2_K to Q6_K, IQ4_NL and IQ4_XS are searched; the steps of the search are given below, so what each weight
///            becomes follows as well, whatever the CPU. How its error compares with that of llama.cpp's search: reports/quantizers.md.
///
/// A weight becomes d scale value - m minimum: d and m are the block's fp16 numbers, scale and minimum its group's integers, value an integer
/// of the code's range or an entry of IQ4's table. Without minima m is 0. Sums are made from the first weight to the last, over a
/// block group by group.
///
/// - The value of a weight x, given s and m, is the one nearest to (x + m) * (1 / s): of two integers the even one, of two entries
///   (each midpoint is 0.5 (a + b)) the lower one. 1 / s is 0 where it is not finite.
/// - The error of a group is the sum of (x + m - s value)^2.
/// - A fit of a group, from the values of some s and m and with D = n sum(value^2) - sum(value)^2:
///   m = (sum(value) sum(value x) - sum(value^2) sum(x)) / D, if there are minima and D > 0; if this m > 0,
///   s = (n sum(value x) - sum(value) sum(x)) / D; else m = 0 and s = sum(value x) / sum(value^2), or 0 over 0.
/// - A guess of a group. With minima: m = -least x, or 0 if that is less, and s = (most x + m) / (most value (1 + off)). Without:
///   s = (first x of largest magnitude) / (end (1 + 2 off)), where `end` is a value.
/// - Guesses of all groups become integers so: d = f * (first s of largest magnitude) / end, m = f * (most m) / (most minimum), both rounded to
///   fp16; `end` is the most scale, or the least one if that is negative; scale = s * (1 / d) and minimum = m * (1 / m), rounded half away from
///   zero and clamped to their ranges. If d or m overflows, this start is passed over.
/// - From there, at most four rounds: in each group, of its scale and, if there are minima, its minimum, each less 1 to plus 1, the first pair
///   of least error, the scale in the outer loop; the block is kept if the sum of these errors is the least of all so far. The rounds end when
///   that sum is not less than that of the round before; else d and m are fitted to the values, and the rounds end as well if they overflow.
///   With a = scale value and b = -minimum: m = (aa bx - ab ax) / D and d = (bb ax - ab bx) / D, if there are minima and D = aa bb - ab ab > 0
///   and aa bx - ab ax > 0; else d = (ax - ab m) / aa with the m that was, if aa > 0. Both are rounded to fp16.
/// - The starts: each group's guess of off = 0 and the least value as its end, with f = 1; then the best of each group, with f = 1, 0.94 and
///   1.06. The best of a group is, of 3 pairs from each guess, itself and two fits in turn, the first of least error; guesses are those of
///   off = 0.04 j for j = -5 to 5, without minima first with the least value as the end and then with the most.
/// - The block cannot be held if no start had a finite error.
typedef size_t quantize_fn(void* dst, const float* x, size_t n);
