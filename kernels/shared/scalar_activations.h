#pragma once
#include "kernels/shared/scalar.h"

// The activations of feed-forward layers for one float, and their derivation for every ISA. All is static.

static inline uint32_t low_bits_of(double d) {
  uint64_t bits;
  memcpy(&bits, &d, sizeof bits);
  return static_cast<uint32_t>(bits);
}

// 2^f - 1 for |f| <= 0.5001: f (c1 + .. + c6 f^5), of which 1 more has the least relative error, 2^-27.6: a Remez exchange, then rounded to
// float and improved by single ULPs.
static inline float power_of_two_less_one(float f) {
  const float c1 = 0x1.62e43p-1f;
  const float c2 = 0x1.ebfbdap-3f;
  const float c3 = 0x1.c6af24p-5f;
  const float c4 = 0x1.3b2e3cp-7f;
  const float c5 = 0x1.5f428p-10f;
  const float c6 = 0x1.41fee8p-13f;
  return f * (c1 + f * (c2 + f * (c3 + f * (c4 + f * (c5 + f * c6)))));
}
static inline float power_of_two(float f) { return 1 + power_of_two_less_one(f); }

// v / (1 + 2^u), |u| < 190, which is not NaN; 2^u = 2^n 2^f with n = rint(u), |f| <= 1/2. The relative error of 2^u is 0.7 times
// the absolute error of u, for which u must have 8 + 24 bits and more: double.
static inline float over_one_plus_power(float v, double u) {
  // Adding 1.5 * 2^52 rounds to an integer and leaves it in the low bits of the double, here with a bias of 127.
  const double magic = 0x1.8p52 + 127;
  const double biased = u + magic;
  const float f = static_cast<float>(u - (biased - magic));
  const float p = power_of_two(f);
  // 1 + 2^n overflows for n > 127: below v = -8 (where n >= 11) both sides of the fraction are scaled by 2^-64. The
  // quotient is rounded once, also to a subnormal.
  const bool far = v < -8.0f;
  const float scale = far ? 0x1p-64f : 1.0f;
  const uint32_t exponent = (low_bits_of(biased) - (far ? 64u : 0u)) << 23;
  return v * scale / (scale + p * float_of(exponent));
}

// The tanh form of GELU: x / (1 + 2^u), u = -2 log2(e) z = x (a + b x^2), z = sqrt(2/pi) (x + 0.044715 x^3).
static inline float gelu(float x) {
  // gelu(-11) is under 2^-150, so every x below has its result, -0; for x >= 8, 1 + 2^u is 1 in float. Within these
  // limits u is in [-72, 163].
  const float low = -11;
  const float high = 8;
  const double a = -2.3022081981443249;   // -2 sqrt(2/pi) log2(e)
  const double b = -0.10294323958002349;  // 0.044715 a
  const float v = x < low ? low : x;      // false for a NaN, which stays
  const double t = static_cast<double>(v > high ? high : v);
  return over_one_plus_power(v, t * (a + b * (t * t)));
}

// SiLU: x / (1 + 2^u), u = -log2(e) x.
static inline float silu(float x) {
  // silu(-109) is under 2^-150, so every x below has its result, -0; for x >= 18, 1 + 2^u is 1 in float. Within these
  // limits u is in [-26, 158].
  const float low = -109;
  const float high = 18;
  const float v = x < low ? low : x;  // false for a NaN, which stays
  const double t = static_cast<double>(v > high ? high : v);
  return over_one_plus_power(v, t * -1.4426950408889634);
}

// The exact form of GELU: x Phi(x). Phi(-t) = s P(s - m) 2^u for t >= 0, with s = 1 / (1 + t / 3), u = -log2(e) t^2 / 2, and P the
// polynomial of least relative error, 2^-26 when rounded to float, for Phi(-t) e^(t^2 / 2) / s, t in [0, 15]: a Remez exchange. For x < 0 the
// result is x Phi(-|x|), else x (1 - Phi(-|x|)): nothing cancels.
static inline float gelu_erf(float x) {
  // gelu(-15) is under 2^-150, so every x below has its result, -0; for x >= 15, Phi(-x) is nothing to 1.
  const float v = x < -15.0f ? -15.0f : x;  // false for a NaN, which stays
  const float magnitude = __builtin_fabsf(v);
  const float t = magnitude > 15.0f ? 15.0f : magnitude;
  const float s = 1 / (1 + t * 0x1.555556p-2f);
  const float z = s - 0x1.2aaaaap-1f;
  float p = 0x1.30b9dcp-6f;
  p = p * z - 0x1.c5263ep-8f;
  p = p * z - 0x1.052ce6p-5f;
  p = p * z + 0x1.a7122p-6f;
  p = p * z + 0x1.5cf8dcp-5f;
  p = p * z - 0x1.d950eap-5f;
  p = p * z - 0x1.56c6ep-4f;
  p = p * z + 0x1.a43908p-4f;
  p = p * z + 0x1.57839p-2f;
  p = p * z + 0x1.9295a2p-2f;
  p = p * z + 0x1.1816a4p-2f;
  // As in over_one_plus_power, here times 2^64: u is over -163, and the last product alone may be subnormal.
  const double u = static_cast<double>(t) * static_cast<double>(t) * -0.72134752044448170;
  const double magic = 0x1.8p52 + 127 + 64;
  const double biased = u + magic;
  const float f = static_cast<float>(u - (biased - magic));
  const float tail = s * p * power_of_two(f) * float_of(low_bits_of(biased) << 23);
  const bool below = v < 0;
  return v * (below ? tail : 1 - tail * 0x1p-64f) * (below ? 0x1p-64f : 1.0f);
}

// c tanh(x / c) = c E / (E + 2), E = 2^u - 1, u = |x| k, k = 2 log2(e) / c; 2^u - 1 = 2^n (2^f - 1) + (2^n - 1), of which nothing cancels.
static inline float softcap(float x, float c, double k) {
  const double magic = 0x1.8p52 + 127;
  const double exponent = static_cast<double>(__builtin_fabsf(x)) * k;
  const double u = exponent > 30 ? 30 : exponent;  // E / (E + 2) is 1 there; false for a NaN, which stays
  const double biased = u + magic;
  const float f = static_cast<float>(u - (biased - magic));
  const float power = float_of(low_bits_of(biased) << 23);
  const float e = power * power_of_two_less_one(f) + (power - 1);
  return __builtin_copysignf(c * (e / (e + 2)), x);
}
static inline double slope_of_softcap(float c) { return 2.8853900817779268 / static_cast<double>(c); }
