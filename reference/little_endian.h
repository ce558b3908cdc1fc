#pragma once
#include <cstdint>

namespace reference {

/// The lower `bytes` bytes of a value, the lowest first.
inline void put(uint8_t* to, uint32_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) {
    to[i] = static_cast<uint8_t>(value >> (8 * i));
  }
}

}  // namespace reference
