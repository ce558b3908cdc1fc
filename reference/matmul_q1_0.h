#pragma once
#include <cstddef>
#include <cstdint>

namespace reference {

struct MatmulQ1 {
  double sum;      ///< sum_b d1 * d8_b * I_b, each term as IEEE 754 has it
  double sum_abs;  ///< sum_b |d1 * d8_b * I_b| over the finite terms
  bool has_nan;    ///< a scale is NaN, so the result must be
};

/// One row of Q1_0 weights (cols / 128 blocks of 18 bytes) times one token of Q8_0 activations (cols / 32 blocks of
/// 34 bytes). I_b is an exact integer and each term has at most 35 significant bits, so the terms are exact in
/// double and the sum's error is under cols / 32 * 2^-53 * sum_abs.
MatmulQ1 matmul_q1_0(const uint8_t* w_row, const uint8_t* x_token, size_t cols);

}  // namespace reference
