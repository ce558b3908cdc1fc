// What Q2_0 and PQ2_0 have alike, which differ in how many weights share a scale: an fp16 d, then bytes of four codes each, the lowest bits
// first. A weight is d * (code - 1); the code 3, which no quantizer writes, is 2.
#pragma once
#include "kernels/formats/format.h"

static inline void values_of_two_bits(int8_t* values, const uint8_t* block, size_t n) {
  uint8_t codes[128];
  for (size_t i = 0; i < n / 4; ++i) {  // both halves of a byte apart, then each half's
    const uint32_t halves = (block[2 + i] | (uint32_t)block[2 + i] << 12) & 0x000f000f;
    write_u32(codes + 4 * i, (halves | halves << 6) & 0x03030303);
  }
  for (size_t i = 0; i < n; ++i) {
    values[i] = (int8_t)(codes[i] - 1);
  }
}

// ggml's quantize_row_q2_0_ref: d is the largest magnitude.
static inline int encode_two_bits(uint8_t* block, const float* x, size_t n) {
  if (!are_finite(x, n)) {
    return 0;
  }
  const float most = signed_most(x, n);
  const float d = most < 0 ? -most : most;
  const float inverse = inverse_of(d);
  for (size_t i = 0; i < n / 4; ++i) {
    block[2 + i] = 0;
    for (size_t j = 0; j < 4; ++j) {
      block[2 + i] |= (uint8_t)((round_half_away(x[4 * i + j] * inverse) + 1) << 2 * j);
    }
  }
  return write_scale(block, kept_scale(d));
}
