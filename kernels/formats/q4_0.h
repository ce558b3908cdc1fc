// Q4_0 (ggml's block_q4_0): 32 weights in 18 bytes, an fp16 scale d and 16 bytes of two codes each. The low half of byte i
// is the code of weight i, the high half that of weight i + 16. A weight is d * (code - 8).
#pragma once
#include "kernels/formats/format.h"

static void q4_0_values(int8_t* values, const uint8_t* block) {
  for (size_t i = 0; i < 16; ++i) {
    values[i] = (int8_t)((block[2 + i] & 15) - 8);
    values[16 + i] = (int8_t)((block[2 + i] >> 4) - 8);
  }
}

// ggml's quantize_row_q4_0_ref: the value of the largest magnitude, the first of equals, becomes code 0; d is a -8th of it.
// Codes are taken with the d that is not yet rounded.
static int q4_0_encode(uint8_t* block, const float* x) {
  if (!are_finite(x, 32)) {
    return 0;
  }
  const float d = signed_most(x, 32) / -8;
  const float inverse = inverse_of(d);
  for (size_t i = 0; i < 16; ++i) {
    const int low = (int)(x[i] * inverse + 8.5f);
    const int high = (int)(x[16 + i] * inverse + 8.5f);
    block[2 + i] = (uint8_t)((low < 15 ? low : 15) | (high < 15 ? high : 15) << 4);
  }
  return write_scale(block, kept_scale(d));
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
    .d_at = 0,
    .m_at = NOWHERE,
    .values = q4_0_values,
    .encode = q4_0_encode,
};
