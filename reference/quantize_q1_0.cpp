#include "reference/quantize_q1_0.h"

#include <cmath>

namespace reference {

Q1Block quantize_q1_0(const float* x) {
  Q1Block block{0, {}};
  double sum = 0;
  for (size_t i = 0; i < 128; ++i) {
    sum += std::fabs(static_cast<double>(x[i]));
    if (x[i] >= 0) {
      block.bits[i / 8] = static_cast<uint8_t>(block.bits[i / 8] | (1u << (i % 8)));
    }
  }
  block.mean = sum / 128;
  return block;
}

uint16_t quantize_q1_0_half(double value) {
  if (value >= 65520) {  // halfway from the largest fp16, 65504, to 65536
    return 0x7c00;
  }
  // Within one binade a step of the code is a step of 2^(exponent - 10); below 2^-14 it is 2^-24.
  const int exponent = value < 0x1p-14 ? -14 : std::ilogb(value);
  const double steps = std::nearbyint(std::ldexp(value, 10 - exponent));  // 1024..2048, less if subnormal
  return static_cast<uint16_t>((exponent + 14) * 1024 + static_cast<int>(steps));
}

}  // namespace reference
