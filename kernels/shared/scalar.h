#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// What plain C++ shares, that of the compiler's levels too. All is static: objects of different ISAs share no function.

static inline uint32_t bits_of(float f) {
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  return bits;
}

static inline float float_of(uint32_t bits) {
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}

// fp16 nearest to f >= 0 or NaN, ties to even. After F. Giesen, float_to_half_fast3_rtne
// (https://gist.github.com/rygorous/2156668): 0x38800000 is 2^-14, the smallest normal fp16; 0x47800000 is 2^16.
static inline uint16_t half_of(float f) {
  const uint32_t bits = bits_of(f) & 0x7fffffffu;  // a NaN may be negative
  if (bits >= 0x47800000u) {
    return bits > 0x7f800000u ? 0x7e00 : 0x7c00;
  }
  if (bits < 0x38800000u) {  // a step of 0.5 is 2^-24, that of subnormal fp16: the addition rounds
    return static_cast<uint16_t>(bits_of(f + 0.5f) - bits_of(0.5f));
  }
  // Another bias (15 for 127), half a step less one, and one more where the last bit kept is odd.
  return static_cast<uint16_t>((bits - (112u << 23) + 0xfff + ((bits >> 13) & 1)) >> 13);
}

// 32 partial sums: contracts want 16, and the compiler (auto_v2 .. auto_v4) may keep them in vectors, which it may not
// do with one running sum as addition is not associative.
static inline float add_up(float (&sums)[32]) {
  for (size_t half = 16; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) {
      sums[j] += sums[j + half];
    }
  }
  return sums[0];
}

// 2^64 * e^z for z <= 0, and e^-110, which is nothing to softmax, for all z under -110; NaN for NaN. z = n ln 2 + r
// with |r| <= ln(2)/2; ln 2 in two parts, of which n times the first is exact (Cody and Waite 1980; the parts are those
// of Cephes' expf). The polynomial is the minimax of (e^r - 1 - r) / r^2 by Remez' algorithm, 3.1e-9 of e^r off.
// 2^64 keeps every result normal: the caller's last product, by 2^-64 over the sum, is the one that may be subnormal.
static inline float exp64(float z) {
  z = z < -110.0f ? -110.0f : z;
  // 1.5 * 2^23 rounds to an integer n; with n + 64 + 127 in the low bits of the sum, a shift gives 2^(n + 64).
  const float shifted = z * 0x1.715476p0f + (0x1.8p23f + 191);
  const float n = shifted - (0x1.8p23f + 191);
  const float power = float_of(bits_of(shifted) << 23);
  const float r = (z - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 0x1.6a23d0p-10f;
  p = p * r + 0x1.123a20p-7f;
  p = p * r + 0x1.5558f2p-5f;
  p = p * r + 0x1.555492p-3f;
  p = p * r + 0x1.fffffcp-2f;
  return ((r * r) * p + r + 1.0f) * power;
}
