#include "reference/quantize.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "reference/convert_f16.h"
#include "reference/little_endian.h"

namespace reference {

float reciprocal(float d) { return std::isfinite(1 / d) ? 1 / d : 0.0f; }

namespace {

constexpr uint32_t k2023 = 1u << 16;  // what the formats of 2023 alone have on their number

/// The first of the largest magnitude; +0 where all are zeros.
float largest(const float* x, int n) {
  const float first = *std::max_element(x, x + n, [](float a, float b) { return std::fabs(a) < std::fabs(b); });
  return first != 0 ? first : 0.0f;
}

/// A scale that is a zero in effect is one.
float kept(float d) { return reciprocal(d) != 0 ? d : std::copysign(0.0f, d); }

bool put_half(uint8_t* to, float x) {
  const uint16_t bits = convert_f16(x);
  put(to, bits, 2);
  return (bits & 0x7c00) != 0x7c00;
}

void put_float(uint8_t* to, float x) { put(to, std::bit_cast<uint32_t>(x), 4); }

int at_most(int code, int most) { return std::min(code, most); }
int cut(float x) { return static_cast<int>(x); }
int half_away(float x) { return static_cast<int>(std::round(x)); }

/// Of 32 codes the lower four bits: byte j has number j, and j + 16 above it.
void put_nibbles(uint8_t* to, const int* codes) {
  for (int j = 0; j < 16; ++j) {
    to[j] = static_cast<uint8_t>((codes[j] & 15) | (codes[j + 16] & 15) << 4);
  }
}

/// The same of two neighbours.
void put_pairs(uint8_t* to, const int* codes) {
  for (int j = 0; j < 16; ++j) {
    to[j] = static_cast<uint8_t>(codes[2 * j] | codes[2 * j + 1] << 4);
  }
}

void put_fifth_bits(uint8_t* to, const int* codes) {
  uint32_t bits = 0;
  for (int e = 0; e < 32; ++e) {
    bits |= static_cast<uint32_t>(codes[e] >> 4 & 1) << e;
  }
  put(to, bits, 4);
}

/// The signed value of largest magnitude becomes -half, the codes' least.
float symmetric_codes(int* codes, const float* x, int half) {
  const float d = largest(x, 32) / static_cast<float>(-half);
  for (int e = 0; e < 32; ++e) {
    codes[e] = at_most(cut(x[e] * reciprocal(d) + (static_cast<float>(half) + 0.5f)), 2 * half - 1);
  }
  return kept(d);
}

bool q4_0(uint8_t* block, const float* x) {
  int codes[32];
  const float d = symmetric_codes(codes, x, 8);
  put_nibbles(block + 2, codes);
  return put_half(block, d);
}

bool q5_0(uint8_t* block, const float* x) {
  int codes[32];
  const float d = symmetric_codes(codes, x, 16);
  put_fifth_bits(block + 2, codes);
  put_nibbles(block + 6, codes);
  return put_half(block, d);
}

/// The range becomes 0 .. most. False: it overflows.
bool codes_of_range(int* codes, float& d, float& m, const float* x, int most, bool away) {
  m = *std::min_element(x, x + 32);
  d = (*std::max_element(x, x + 32) - m) / static_cast<float>(most);
  if (!std::isfinite(d)) {
    return false;
  }
  for (int e = 0; e < 32; ++e) {
    const float code = (x[e] - m) * reciprocal(d);
    codes[e] = at_most(away ? half_away(code) : cut(code + 0.5f), most);
  }
  d = kept(d);
  return true;
}

bool q4_1(uint8_t* block, const float* x) {
  int codes[32];
  float d = 0;
  float m = 0;
  if (!codes_of_range(codes, d, m, x, 15, false)) {
    return false;
  }
  put_nibbles(block + 4, codes);
  return put_half(block, d) && put_half(block + 2, m);
}

bool q5_1(uint8_t* block, const float* x) {
  int codes[32];
  float d = 0;
  float m = 0;
  if (!codes_of_range(codes, d, m, x, 31, false)) {
    return false;
  }
  put_fifth_bits(block + 4, codes);
  put_nibbles(block + 8, codes);
  return put_half(block, d) && put_half(block + 2, m);
}

/// The largest magnitude becomes `most`.
float codes_of_magnitude(int* codes, const float* x, int n, int most) {
  const float d = std::fabs(largest(x, n)) / static_cast<float>(most);
  for (int e = 0; e < n; ++e) {
    codes[e] = half_away(x[e] * reciprocal(d));
  }
  return kept(d);
}

bool q8_0(uint8_t* block, const float* x) {
  int codes[32];
  const float d = codes_of_magnitude(codes, x, 32, 127);
  std::transform(codes, codes + 32, block + 2, [](int code) { return static_cast<uint8_t>(code); });
  return put_half(block, d);
}

bool q4_0_2023(uint8_t* block, const float* x) {
  int codes[32];
  put_float(block, codes_of_magnitude(codes, x, 32, 7));
  std::transform(codes, codes + 32, codes, [](int code) { return code + 8; });
  put_pairs(block + 4, codes);
  return true;
}

bool q4_1_2023(uint8_t* block, const float* x) {
  int codes[32];
  float d = 0;
  float m = 0;
  if (!codes_of_range(codes, d, m, x, 15, true)) {
    return false;
  }
  put_float(block, d);
  put_float(block + 4, m);
  put_pairs(block + 8, codes);
  return true;
}

bool q8_0_2023(uint8_t* block, const float* x) {
  int codes[32];
  put_float(block, codes_of_magnitude(codes, x, 32, 127));
  std::transform(codes, codes + 32, block + 4, [](int code) { return static_cast<uint8_t>(code); });
  return true;
}

bool mxfp4(uint8_t* block, const float* x) {
  constexpr float kValues[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const float most = std::fabs(largest(x, 32));
  const int power = most == 0 ? 0 : std::max(std::ilogb(most) + 125, 0);
  const float d = std::ldexp(1.0f, power - 128);
  int codes[32];
  for (int e = 0; e < 32; ++e) {
    const auto off = [&](float value) { return std::fabs(value * d - x[e]); };
    codes[e] = static_cast<int>(
        std::min_element(kValues, kValues + 16, [&](float a, float b) { return off(a) < off(b); }) - kValues);
  }
  block[0] = static_cast<uint8_t>(power);
  put_nibbles(block + 1, codes);
  return true;
}

bool q1_0(uint8_t* block, const float* x) {
  float sum = 0;
  std::fill(block + 2, block + 18, uint8_t{0});
  for (int e = 0; e < 128; ++e) {
    sum += std::fabs(x[e]);
    block[2 + e / 8] = static_cast<uint8_t>(block[2 + e / 8] | (x[e] >= 0 ? 1 : 0) << e % 8);
  }
  return put_half(block, sum / 128);
}

/// Four codes of two bits in a byte, the first in the lowest ones.
template <int n>
bool two_bits(uint8_t* block, const float* x) {
  int codes[n];
  const float d = codes_of_magnitude(codes, x, n, 1);
  for (int i = 0; i < n / 4; ++i) {
    const int* four = codes + 4 * i;
    block[2 + i] = static_cast<uint8_t>((four[0] + 1) + 4 * (four[1] + 1) + 16 * (four[2] + 1) + 64 * (four[3] + 1));
  }
  return put_half(block, d);
}

bool tq2_0(uint8_t* block, const float* x) {
  int codes[256];
  const float d = codes_of_magnitude(codes, x, 256, 1);
  std::fill(block, block + 64, uint8_t{0});
  for (int e = 0; e < 256; ++e) {
    uint8_t& byte = block[e / 128 * 32 + e % 32];
    byte = static_cast<uint8_t>(byte | (codes[e] + 1) << (e % 128 / 32 * 2));
  }
  return put_half(block + 64, d);
}

/// Five trits as the fraction trits / 243 in 256ths, rounded up; the first is the most significant.
uint8_t trits_byte(const int* codes, int step, int count) {
  int value = 0;
  for (int n = 0; n < 5; ++n) {
    value = 3 * value + (n < count ? codes[n * step] + 1 : 0);
  }
  return static_cast<uint8_t>((value * 256 + 242) / 243);
}

bool tq1_0(uint8_t* block, const float* x) {
  int codes[256];
  const float d = codes_of_magnitude(codes, x, 256, 1);
  for (int m = 0; m < 32; ++m) {
    block[m] = trits_byte(codes + m, 32, 5);
  }
  for (int m = 0; m < 16; ++m) {
    block[32 + m] = trits_byte(codes + 160 + m, 16, 5);
  }
  for (int m = 0; m < 4; ++m) {
    block[48 + m] = trits_byte(codes + 240 + m, 4, 4);
  }
  return put_half(block + 52, d);
}

}  // namespace

Quantize* find_quantize(uint32_t type) {
  switch (type) {
    case 2:
      return q4_0;
    case 3:
      return q4_1;
    case 6:
      return q5_0;
    case 7:
      return q5_1;
    case 8:
      return q8_0;
    case 34:
      return tq1_0;
    case 35:
      return tq2_0;
    case 39:
      return mxfp4;
    case 41:
      return q1_0;
    case 42:
      return two_bits<64>;
    case 142:
      return two_bits<128>;
    case k2023 | 2:
      return q4_0_2023;
    case k2023 | 3:
      return q4_1_2023;
    case k2023 | 8:
      return q8_0_2023;
    default:
      return nullptr;
  }
}

}  // namespace reference
