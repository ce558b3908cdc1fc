// Q4_0 as files of ggml had it from 11 March to 19 May 2023, KoAlpaca.cpp's and alpaca.cpp's among them: 32 weights in 20 bytes, a float
// scale d and 16 bytes of two codes each. The low half of byte i is the code of weight 2 i, the high half that of weight 2 i + 1. A weight
// is d * (code - 8). The other arrangements of that time become this one when a file is read.
#pragma once
#include "kernels/formats/format.h"

static void q4_0_2023_values(int8_t* values, const uint8_t* block) {
  for (size_t i = 0; i < 16; ++i) {
    values[2 * i] = (int8_t)((block[4 + i] & 15) - 8);
    values[2 * i + 1] = (int8_t)((block[4 + i] >> 4) - 8);
  }
}

// The rule of that time's quantize_row_q4_0: d is a 7th of the largest magnitude, so code 0 is never written.
static int q4_0_2023_encode(uint8_t* block, const float* x) {
  if (!are_finite(x, 32)) {
    return 0;
  }
  const float most = signed_most(x, 32);
  const float d = (most < 0 ? -most : most) / 7;
  const float inverse = inverse_of(d);
  for (size_t i = 0; i < 16; ++i) {
    const int low = round_half_away(x[2 * i] * inverse) + 8;
    const int high = round_half_away(x[2 * i + 1] * inverse) + 8;
    block[4 + i] = (uint8_t)(low | high << 4);
  }
  write_u32(block, bits_of_float(kept_scale(d)));
  return 1;
}

static const struct weight_format q4_0_2023_format = {
    .name = "q4_0_2023",
    .gguf_type = only_in_2023(2),
    .elements = 32,
    .bytes = 20,
    .activations = "q8_0",
    .layout = "uf4",
    .code_bits = 4,
    .group = 32,
    .d_at = 0,
    .m_at = NOWHERE,
    .are_floats = 1,
    .values = q4_0_2023_values,
    .encode = q4_0_2023_encode,
};
