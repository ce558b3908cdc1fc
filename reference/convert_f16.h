#pragma once
#include <cstdint>

namespace reference {

/// The bits of the fp16 nearest to a value >= 0, ties to even; Inf for 65520 and over, halfway from the largest to 65536.
uint16_t half_nearest(double value);

/// The bits of the fp16 nearest to x, ties to even; a NaN for a NaN.
uint16_t convert_f16(float x);

}  // namespace reference
