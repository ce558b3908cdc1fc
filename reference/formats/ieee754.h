#pragma once
#include <cmath>
#include <cstdint>
#include <limits>

namespace reference {

/// The value of a binary floating-point number (IEEE 754-2019, section 3.4) that has `exponent_bits` and
/// `fraction_bits` below its sign. All that is as small as an F32 or smaller is exact in double.
inline double ieee754(uint32_t bits, int exponent_bits, int fraction_bits) {
  const int largest = (1 << exponent_bits) - 1;
  const int bias = largest / 2;
  const auto fraction = static_cast<int>(bits & ((1u << fraction_bits) - 1));
  const auto exponent = static_cast<int>(bits >> fraction_bits) & largest;
  const bool negative = (bits >> (fraction_bits + exponent_bits) & 1) != 0;
  double magnitude;
  if (exponent == largest) {
    magnitude = fraction != 0 ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  } else if (exponent == 0) {  // zero and subnormals
    magnitude = std::ldexp(fraction, 1 - bias - fraction_bits);
  } else {
    magnitude = std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
  }
  return negative ? -magnitude : magnitude;
}

}  // namespace reference
