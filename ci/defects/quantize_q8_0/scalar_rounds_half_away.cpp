// defect: ties are rounded away from zero, not to even
// class: integers
// stands for: roundf where rintf is meant
// caught by: value
#include <stdint.h>
#include <string.h>

#include "kernels/quantize_q8_0/kernel.h"

extern "C" quantize_q8_0_fn quantize_q8_0_scalar_rounds_half_away;

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

// fp16 nearest to a finite f >= 0, ties to even. After F. Giesen, float_to_half_fast3_rtne
// (https://gist.github.com/rygorous/2156668): 0x38800000 is 2^-14, the smallest normal fp16; 0x47800000 is 2^16.
static inline uint16_t half_of(float f) {
  const uint32_t bits = bits_of(f);
  if (bits >= 0x47800000u) {
    return 0x7c00;
  }
  if (bits < 0x38800000u) {  // a step of 0.5 is 2^-24, that of subnormal fp16: the addition rounds
    return static_cast<uint16_t>(bits_of(f + 0.5f) - bits_of(0.5f));
  }
  // Another bias (15 for 127), half a step less one, and one more where the last bit kept is odd.
  return static_cast<uint16_t>((bits - (112u << 23) + 0xfff + ((bits >> 13) & 1)) >> 13);
}

extern "C" void quantize_q8_0_scalar_rounds_half_away(void* dst, const float* x, size_t n) {
  int8_t* out = static_cast<int8_t*>(dst);
  for (size_t i = 0; i < n; i += 32, x += 32, out += 34) {
    // Magnitudes are ordered as their bits are, NaN above Inf above all numbers.
    int32_t largest = 0;
    for (size_t j = 0; j < 32; ++j) {
      int32_t bits;
      memcpy(&bits, x + j, sizeof bits);
      bits &= 0x7fffffff;
      largest = bits > largest ? bits : largest;
    }
    const float amax = float_of(static_cast<uint32_t>(largest));
    const float inverse = 127.0f / amax;
    if (largest >= 0x7f800000 || bits_of(inverse) == 0x7f800000u) {
      const uint16_t d = largest >= 0x7f800000 ? 0x7e00 : 0;
      memcpy(out, &d, sizeof d);
      memset(out + 2, 0, 32);
      continue;
    }
    const uint16_t d = half_of(amax / 127.0f);
    memcpy(out, &d, sizeof d);
#pragma GCC ivdep  // dst does not overlap x
    for (size_t j = 0; j < 32; ++j) {
      out[2 + j] = static_cast<int8_t>(__builtin_roundf(x[j] * inverse));
    }
  }
}
