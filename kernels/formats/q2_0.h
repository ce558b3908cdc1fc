// Q2_0 (ggml's block_q2_0): 64 weights in 18 bytes, an fp16 scale d and 16 bytes of four codes each, the lowest bits first. A weight is
// d * (code - 1); the code 3, which no quantizer writes, is 2.
#pragma once
#include "kernels/formats/format.h"

static void q2_0_values(int8_t* values, const uint8_t* block) {
  for (size_t i = 0; i < 64; ++i) {
    values[i] = (int8_t)((block[2 + i / 4] >> 2 * (i % 4) & 3) - 1);
  }
}

// ggml's quantize_row_q2_0_ref: d is the largest magnitude.
static int q2_0_encode(uint8_t* block, const float* x) {
  if (!are_finite(x, 64)) {
    return 0;
  }
  const float most = signed_most(x, 64);
  const float d = most < 0 ? -most : most;
  const float inverse = inverse_of(d);
  for (size_t i = 0; i < 16; ++i) {
    block[2 + i] = 0;
    for (size_t j = 0; j < 4; ++j) {
      block[2 + i] |= (uint8_t)((round_half_away(x[4 * i + j] * inverse) + 1) << 2 * j);
    }
  }
  return write_scale(block, kept_scale(d));
}

static const struct weight_format q2_0_format = {
    .name = "q2_0",
    .gguf_type = 42,
    .elements = 64,
    .bytes = 18,
    .activations = "q8_0",
    .layout = "u2",
    .code_bits = 2,
    .group = 64,
    .d_at = 0,
    .m_at = NOWHERE,
    .values = q2_0_values,
    .encode = q2_0_encode,
};
