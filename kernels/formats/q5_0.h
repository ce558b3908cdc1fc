// Q5_0 (ggml's block_q5_0): 32 weights in 22 bytes, an fp16 scale d, 4 bytes with the highest bits of all codes (bit i is that of
// weight i) and 16 bytes of the four lower bits of two codes each, as Q4_0 has them. A weight is d * (code - 16).
#pragma once
#include "kernels/formats/format.h"

static void q5_0_values(int8_t* values, const uint8_t* block) {
  uint8_t codes[32];
  codes_of_five_bits(codes, block + 2, block + 6);
  for (size_t i = 0; i < 32; ++i) {
    values[i] = (int8_t)(codes[i] - 16);
  }
}

// ggml's quantize_row_q5_0_ref: as Q4_0, with 16 in place of 8.
static int q5_0_encode(uint8_t* block, const float* x) {
  if (!are_finite(x, 32)) {
    return 0;
  }
  const float d = signed_most(x, 32) / -16;
  const float inverse = inverse_of(d);
  uint32_t high = 0;
  for (size_t i = 0; i < 16; ++i) {
    const int one = (int)(x[i] * inverse + 16.5f);
    const int other = (int)(x[16 + i] * inverse + 16.5f);
    const unsigned a = (unsigned)(one < 31 ? one : 31);
    const unsigned b = (unsigned)(other < 31 ? other : 31);
    block[6 + i] = (uint8_t)((a & 15) | (b & 15) << 4);
    high |= (a >> 4) << i | (b >> 4) << (16 + i);
  }
  write_u32(block + 2, high);
  return write_scale(block, kept_scale(d));
}

static const struct weight_format q5_0_format = {
    .name = "q5_0",
    .gguf_type = 6,
    .elements = 32,
    .bytes = 22,
    .activations = "q8_0",
    .layout = "u5",
    .code_bits = 5,
    .group = 32,
    .d_at = 0,
    .m_at = NOWHERE,
    .values = q5_0_values,
    .encode = q5_0_encode,
};
