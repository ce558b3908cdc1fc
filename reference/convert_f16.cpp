#include "reference/convert_f16.h"

#include <cmath>

namespace reference {

// The codes of fp16 are ordered as their values. Within a binade a step of the code is a step of 2^(exponent - 10), below 2^-14 of 2^-24.
uint16_t half_nearest(double value) {
  if (value >= 65520) {
    return 0x7c00;
  }
  const int exponent = value < 0x1p-14 ? -14 : std::ilogb(value);
  const double steps = std::nearbyint(std::ldexp(value, 10 - exponent));  // 1024..2048, less if subnormal
  return static_cast<uint16_t>((exponent + 14) * 1024 + static_cast<int>(steps));
}

uint16_t convert_f16(float x) {
  const uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  return static_cast<uint16_t>(sign | (std::isnan(x) ? 0x7e00 : half_nearest(std::fabs(static_cast<double>(x)))));
}

}  // namespace reference
