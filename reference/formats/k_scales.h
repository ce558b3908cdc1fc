#pragma once
#include <cstdint>

namespace reference {

// The scales and minima of Q4_K and Q5_K, 12 bytes. Scale g < 4 is the six lower bits of byte g, minimum g those of byte 4 + g. The other four: four
// bits from byte 4 + g, the low half the scale's, and the two bits that the first four left in bytes g - 4 and g.
inline int k_scale(const uint8_t* packed, int g) {
  return g < 4 ? packed[g] & 63 : (packed[4 + g] & 15) + 16 * (packed[g - 4] >> 6);
}
inline int k_minimum(const uint8_t* packed, int g) {
  return g < 4 ? packed[4 + g] & 63 : (packed[4 + g] >> 4) + 16 * (packed[g] >> 6);
}

}  // namespace reference
