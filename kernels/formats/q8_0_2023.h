// Q8_0 as files of ggml had it from 25 April to 19 May 2023: 32 weights in 36 bytes, a float scale d and 32 signed codes. A weight is
// d * code.
#pragma once
#include "kernels/formats/format.h"

static void q8_0_2023_values(int8_t* values, const uint8_t* block) {
  for (size_t i = 0; i < 32; ++i) {
    values[i] = (int8_t)block[4 + i];
  }
}

// The rule of that time's quantize_row_q8_0, which is today's but for the scale, which stays a float.
static int q8_0_2023_encode(uint8_t* block, const float* x) {
  if (!are_finite(x, 32)) {
    return 0;
  }
  const float most = signed_most(x, 32);
  const float d = (most < 0 ? -most : most) / 127;
  const float inverse = inverse_of(d);
  for (size_t i = 0; i < 32; ++i) {
    block[4 + i] = (uint8_t)round_half_away(x[i] * inverse);
  }
  write_u32(block, bits_of_float(kept_scale(d)));
  return 1;
}

static const struct weight_format q8_0_2023_format = {
    .name = "q8_0_2023",
    .gguf_type = only_in_2023(8),
    .elements = 32,
    .bytes = 36,
    .activations = "q8_0",
    .layout = "uf8",
    .code_bits = 8,
    .group = 32,
    .d_at = 0,
    .m_at = NOWHERE,
    .are_floats = 1,
    .values = q8_0_2023_values,
    .encode = q8_0_2023_encode,
};
