#include "reference/convert_f16.h"

#include <cmath>

namespace reference {

uint16_t convert_f16(float x) {
  const uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  if (std::isnan(x)) {
    return sign | 0x7e00;
  }
  const double value = std::fabs(static_cast<double>(x));
  if (value >= 65520) {  // halfway from the largest, 65504, to 65536
    return sign | 0x7c00;
  }
  // The codes are ordered as their values. Within a binade a step of the code is a step of 2^(exponent - 10), below 2^-14 of 2^-24.
  const int exponent = value < 0x1p-14 ? -14 : std::ilogb(value);
  const auto steps =
      static_cast<int>(std::nearbyint(std::ldexp(value, 10 - exponent)));  // 1024..2048, less if subnormal
  return static_cast<uint16_t>(sign | ((exponent + 14) * 1024 + steps));
}

}  // namespace reference
