#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "reference/formats.h"

namespace reference {

/// Rows of weights in two parts, which add up to a weight: `rows` x `cols` each; offsets is empty if the format has none.
struct Weights {
  std::vector<double> scaled, offsets;
};
Weights decode_in_parts(const Format& format, const uint8_t* blocks, size_t count);

/// Quantized activations of a token: `block` of them share a scale.
struct Token {
  size_t block;
  std::vector<double> codes, scales;
};
/// From the bytes of Q8_0 or Q8_K blocks, or of a row of I8_S. Throws std::invalid_argument for activations as they are.
Token decode_token(Activations activations, const uint8_t* blocks, size_t cols);
/// The columns of a token that share a scale: all of I8_S.
size_t block_elements(Activations activations, size_t cols);
/// The bytes of a token.
size_t token_bytes(Activations activations, size_t cols);

struct MatmulRow {
  double sum;      ///< the sum of the terms, exactly but for 2^-52 of sum_abs for each
  double sum_abs;  ///< the sum of the magnitudes of the finite terms
  bool special;    ///< a scale is NaN or Inf: the sum is the one or the other
  bool has_nan;    ///< a scale is NaN, so the result must be
};

/// Row `row` of the weights times a token. The terms are, for each `group` of columns, which share a scale of both: the sum of the
/// products of the scaled parts and the codes, times the scale of x; and likewise of the offsets. Such a sum is exact in double: a part
/// of a weight is an integer of 14 bits times an fp16 (or a power of two), a code one of 8, and there are up to 256; or the integer has
/// 8 bits and the scale is a float; or they are integers of 2 bits.
MatmulRow matmul(const Weights& w, size_t row, const Token& x, size_t group);

/// The magnitudes of all products of a weight and an activation, and of a minimum and an activation, summed; of the finite ones.
double magnitude_of_products(const Weights& w, size_t row, const Token& x);

}  // namespace reference
