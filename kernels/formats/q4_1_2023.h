// Q4_1 as files of ggml had it from 17 March to 19 May 2023: 32 weights in 24 bytes, a float scale d, a float minimum m and 16 bytes of two
// codes each, as Q4_0 of that time has them. A weight is d * code + m. The rows of KoAlpaca.cpp and alpaca.cpp, which have all minima
// first, then all scales, then all codes, become blocks when a file is read.
#pragma once
#include "kernels/formats/format.h"

static void q4_1_2023_values(int8_t* values, const uint8_t* block) {
  for (size_t i = 0; i < 16; ++i) {
    values[2 * i] = (int8_t)(block[8 + i] & 15);
    values[2 * i + 1] = (int8_t)(block[8 + i] >> 4);
  }
}

// The rule of that time's quantize_row_q4_1: d is a 15th of the range.
static int q4_1_2023_encode(uint8_t* block, const float* x) {
  const struct value_range range = range_of(x, 32);
  const float d = (range.most - range.least) / 15;
  if (!are_finite(x, 32) || !is_finite_float(d)) {
    return 0;
  }
  const float inverse = inverse_of(d);
  for (size_t i = 0; i < 16; ++i) {
    const int low = round_half_away((x[2 * i] - range.least) * inverse);
    const int high = round_half_away((x[2 * i + 1] - range.least) * inverse);
    block[8 + i] = (uint8_t)((low < 15 ? low : 15) | (high < 15 ? high : 15) << 4);
  }
  write_u32(block, bits_of_float(kept_scale(d)));
  write_u32(block + 4, bits_of_float(range.least));
  return 1;
}

static const struct weight_format q4_1_2023_format = {
    .name = "q4_1_2023",
    .gguf_type = only_in_2023(3),
    .elements = 32,
    .bytes = 24,
    .activations = "q8_0",
    .layout = "umf4",
    .code_bits = 4,
    .group = 32,
    .d_at = 0,
    .m_at = 4,
    .are_floats = 1,
    .values = q4_1_2023_values,
    .encode = q4_1_2023_encode,
};
