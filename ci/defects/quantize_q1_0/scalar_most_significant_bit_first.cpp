// defect: the first weight is in the highest bit of its byte
// class: integers
// stands for: wrong bit order
// caught by: value
#include <stdint.h>
#include <string.h>

#include "kernels/quantize_q1_0/kernel.h"

extern "C" quantize_q1_0_fn quantize_q1_0_scalar_most_significant_bit_first;

static inline uint32_t bits_of(float f) {
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  return bits;
}

// fp16 nearest to f >= 0 or NaN, ties to even. After F. Giesen, float_to_half_fast3_rtne
// (https://gist.github.com/rygorous/2156668): 0x38800000 is 2^-14, the smallest normal fp16; 0x47800000 is 2^16.
static inline uint16_t half_of(float f) {
  const uint32_t bits = bits_of(f) & 0x7fffffffu;
  if (bits >= 0x47800000u) {
    return bits > 0x7f800000u ? 0x7e00 : 0x7c00;
  }
  if (bits < 0x38800000u) {  // a step of 0.5 is 2^-24, that of subnormal fp16: the addition rounds
    return static_cast<uint16_t>(bits_of(f + 0.5f) - bits_of(0.5f));
  }
  // Another bias (15 for 127), half a step less one, and one more where the last bit kept is odd.
  return static_cast<uint16_t>((bits - (112u << 23) + 0xfff + ((bits >> 13) & 1)) >> 13);
}

// Bit j: a table, as the compiler has no vector of shift counts before AVX2.
static const uint32_t kBit[32] = {1u << 0,  1u << 1,  1u << 2,  1u << 3,  1u << 4,  1u << 5,  1u << 6,  1u << 7,
                                  1u << 8,  1u << 9,  1u << 10, 1u << 11, 1u << 12, 1u << 13, 1u << 14, 1u << 15,
                                  1u << 16, 1u << 17, 1u << 18, 1u << 19, 1u << 20, 1u << 21, 1u << 22, 1u << 23,
                                  1u << 24, 1u << 25, 1u << 26, 1u << 27, 1u << 28, 1u << 29, 1u << 30, 1u << 31};

extern "C" void quantize_q1_0_scalar_most_significant_bit_first(void* dst, const float* x, size_t n) {
  uint8_t* out = static_cast<uint8_t*>(dst);
  for (size_t i = 0; i < n; i += 128, x += 128, out += 18) {
    float sums[32] = {};
    for (size_t k = 0; k < 4; ++k) {
      uint32_t bits = 0;
      for (size_t j = 0; j < 32; ++j) {
        const float v = x[32 * k + j];
        bits |= (0u - static_cast<uint32_t>(v >= 0)) & kBit[j ^ 7];  // no branch: signs are not to be predicted
        sums[j] += __builtin_fabsf(v);
      }
      memcpy(out + 2 + 4 * k, &bits, sizeof bits);
    }
    for (size_t half = 16; half > 0; half /= 2) {
      for (size_t j = 0; j < half; ++j) {
        sums[j] += sums[j + half];
      }
    }
    const uint16_t d = half_of(sums[0] * (1.0f / 128));
    memcpy(out, &d, sizeof d);
  }
}
