#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace reference {

/// One block of Q1_0: 128 weights.
struct Q1Block {
  double mean;                   ///< of |x|; NaN if there is one among them, else Inf if there is one
  std::array<uint8_t, 16> bits;  ///< bit i % 8 of bits[i / 8] = (x[i] >= 0)
};

/// The 128 floats at x. The mean's relative error is under 128 * 2^-53.
Q1Block quantize_q1_0(const float* x);

}  // namespace reference
