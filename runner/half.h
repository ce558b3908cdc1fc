#pragma once
#include <bit>
#include <cstdint>

namespace assay {

/// IEEE 754 binary16 to binary32: exact, and NaN stays NaN. Format decoding in integers: the runner has no arithmetic.
inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1fu;
  uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0x1f) {
    return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  }
  if (exponent != 0) {
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  }
  if (mantissa == 0) {
    return std::bit_cast<float>(sign);
  }
  const auto shift = static_cast<uint32_t>(std::countl_zero(mantissa)) - 21;  // until bit 10 is set
  mantissa = (mantissa << shift) & 0x3ffu;
  return std::bit_cast<float>(sign | ((113 - shift) << 23) | (mantissa << 13));
}

/// Binary32 to binary16, rounded to nearest even; over 65504 (by half a step) is Inf; NaN is a quiet NaN.
inline uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    return static_cast<uint16_t>(sign | 0x7e00u);
  }
  if (magnitude >= 0x47800000u) {  // 2^16 and over
    return static_cast<uint16_t>(sign | 0x7c00u);
  }
  const auto round = [](uint32_t x, uint32_t shift) {  // to nearest even
    const uint32_t half = 1u << (shift - 1);
    const uint32_t rest = x & ((1u << shift) - 1);
    const uint32_t kept = x >> shift;
    return kept + static_cast<uint32_t>(rest > half || (rest == half && (kept & 1) != 0));
  };
  if (magnitude >= 0x38800000u) {  // normal half: a carry out of the mantissa raises the exponent, up to Inf
    return static_cast<uint16_t>(sign | round(magnitude - 0x38000000u, 13));
  }
  if (magnitude < 0x33000000u) {  // under half of the least subnormal
    return static_cast<uint16_t>(sign);
  }
  const uint32_t exponent = magnitude >> 23;
  const uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  return static_cast<uint16_t>(sign | round(mantissa, 126 - exponent));
}

}  // namespace assay
