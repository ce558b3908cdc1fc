#pragma once
#include <cstdint>

namespace reference {

/// x + y modulo 2^32, as a two's complement integer.
int32_t add_i32(int32_t x, int32_t y);

}  // namespace reference
