#pragma once
#include <cstdint>

#include "reference/formats/f16.h"

namespace reference {

/// d in F16, then bytes of four codes each, the lowest bits first. A weight is d * (code - 1).
template <int n>
void decode_two_bits(const uint8_t* block, double* out) {
  const double d = half_at(block);
  for (int i = 0; i < n; ++i) {
    const int code = block[2 + i / 4] >> (i % 4 * 2) & 3;
    out[i] = d * (code - 1);
  }
}

}  // namespace reference
