// Q4_1 (ggml's block_q4_1): 32 weights in 20 bytes, an fp16 scale d, an fp16 minimum m and 16 bytes of two codes each, as Q4_0 has them.
// A weight is d * code + m.
#pragma once
#include "kernels/formats/format.h"

static void q4_1_values(int8_t* values, const uint8_t* block) {
  for (size_t i = 0; i < 16; ++i) {
    values[i] = (int8_t)(block[4 + i] & 15);
    values[16 + i] = (int8_t)(block[4 + i] >> 4);
  }
}

// ggml's quantize_row_q4_1_ref: d is a 15th of the range, and codes are taken with the d and m that are not yet rounded.
static int q4_1_encode(uint8_t* block, const float* x) {
  const struct value_range range = range_of(x, 32);
  const float d = (range.most - range.least) / 15;
  if (!are_finite(x, 32) || !is_finite_float(d)) {
    return 0;
  }
  const float inverse = inverse_of(d);
  for (size_t i = 0; i < 16; ++i) {
    const int low = (int)((x[i] - range.least) * inverse + 0.5f);
    const int high = (int)((x[16 + i] - range.least) * inverse + 0.5f);
    block[4 + i] = (uint8_t)((low < 15 ? low : 15) | (high < 15 ? high : 15) << 4);
  }
  return write_scale(block, kept_scale(d)) & write_scale(block + 2, range.least);
}

static const struct weight_format q4_1_format = {
    .name = "q4_1",
    .gguf_type = 3,
    .elements = 32,
    .bytes = 20,
    .activations = "q8_0",
    .layout = "um4",
    .code_bits = 4,
    .group = 32,
    .d_at = 0,
    .m_at = 2,
    .values = q4_1_values,
    .encode = q4_1_encode,
};
