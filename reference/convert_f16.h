#pragma once
#include <cstdint>

namespace reference {

/// The bits of the fp16 nearest to x, ties to even; a NaN for a NaN.
uint16_t convert_f16(float x);

}  // namespace reference
