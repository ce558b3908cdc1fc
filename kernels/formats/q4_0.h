// Q4_0 (ggml's block_q4_0): 32 weights in 18 bytes, an fp16 scale d and 16 bytes of two codes each. The low half of byte i
// is the code of weight i, the high half that of weight i + 16. A weight is d * (code - 8).
#pragma once
#include "kernels/formats/format.h"

static size_t q4_0_scale_at(size_t g) {
  (void)g;
  return 0;
}

static void q4_0_codes(uint8_t* codes, const uint8_t* block) {
  for (size_t i = 0; i < 16; ++i) {
    codes[i] = block[2 + i] & 15;
    codes[16 + i] = block[2 + i] >> 4;
  }
}

// ggml's quantize_row_q4_0_ref: the value of the largest magnitude, the first of equals, becomes code 0; d is a -8th of it.
// Codes are taken with the d that is not yet rounded.
static int q4_0_encode(uint8_t* block, const float* x) {
  float most = 0;
  float signed_most = 0;
  for (size_t i = 0; i < 32; ++i) {
    const float magnitude = x[i] < 0 ? -x[i] : x[i];
    if (!is_finite_float(x[i])) {
      return 0;
    }
    if (magnitude > most) {
      most = magnitude;
      signed_most = x[i];
    }
  }
  const float d = signed_most / -8;
  const float inverse = d != 0 && is_finite_float(1 / d) ? 1 / d : 0;
  write_u16(block, inverse != 0 ? float_to_half(d) : 0);
  for (size_t i = 0; i < 16; ++i) {
    const int low = (int)(x[i] * inverse + 8.5f);
    const int high = (int)(x[16 + i] * inverse + 8.5f);
    block[2 + i] = (uint8_t)((low < 15 ? low : 15) | (high < 15 ? high : 15) << 4);
  }
  return (read_u16(block) & 0x7c00) != 0x7c00;
}

static const struct weight_format q4_0_format = {
    .name = "q4_0",
    .gguf_type = 2,
    .elements = 32,
    .bytes = 18,
    .activations = "q8_0",
    .layout = "u4",
    .code_bits = 4,
    .group = 32,
    .scale_at = q4_0_scale_at,
    .codes = q4_0_codes,
    .encode = q4_0_encode,
};
