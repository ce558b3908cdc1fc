#pragma once
#include <stddef.h>

/// One row of attention from its parts, each over other keys (kernels/attention/kernel.h): their mean, weighed by
/// w_p = sum_p * e^(largest_p - the largest of those).
struct join_attention_f32_args {
  float* out;          ///< n floats
  const float* parts;  ///< n_parts rows of n floats
  const float* stats;  ///< of each part two floats: largest, and sum
  size_t ldp, lds;     ///< floats from a part to the next
  size_t n_parts;      ///< 1 .. 64
  size_t n;            ///< >= 0
};

/// Alignment  4 bytes each.
/// Aliasing   out may not overlap anything else.
/// Domain     sums are 0, where largest is -Inf, or in [1, 2^40]; or NaN. No other largest is under -2^20 or over 2^20.
/// NaN, Inf   a NaN sum makes the row NaN. A part of weight 0 is added with that weight: NaN where it is Inf or NaN. If all are -Inf and 0,
///            so is each weight. A part of Inf under a weight that may round to 0 (w_p / sum w < 2^-140) gives Inf or NaN.
/// Error      with p = w / sum w, D = max |largest_p - the largest| over the finite ones and u = 2^-24:
///            |out_e - exact_e| <= (e^A - 1) sum_p p |x_e| + 2^-147 sum |x_e|, A = u (2 D + 2 n_parts + 12): the differences round, in a
///            weight and in the sum; products and sums; two exponentials, the reciprocal and a product with it. A weight that
///            is subnormal is 2^-149 off.
typedef void join_attention_f32_fn(const struct join_attention_f32_args* args);

/// JIT generator: writes position-independent code for key = {n} to code[0..capacity); returns the
/// bytes written, 0 if capacity is too small. The code has the signature above and is valid for n only.
typedef size_t join_attention_f32_gen(void* code, size_t capacity, const size_t* key);
