// IQ4_XS (ggml's block_iq4_xs): 256 weights in 136 bytes: an fp16 d, 2 bytes and 4 bytes of the higher and the lower parts of 8 scales of 6
// bits, and 128 bytes of two codes each. Each 16 bytes are the codes of 32 weights, as IQ4_NL has them. A weight is
// d * (scale - 32) * table[code].
#pragma once
#include "kernels/formats/search.h"

static void iq4_xs_values(int8_t* values, const uint8_t* block) {
  for (size_t g = 0; g < 8; ++g) {
    values_of_iq4(values + 32 * g, block + 8 + 16 * g);
  }
}

static void iq4_xs_codes(uint8_t* codes, const uint8_t* block) {
  for (size_t g = 0; g < 8; ++g) {
    codes_of_halves(codes + 32 * g, block + 8 + 16 * g);
  }
}

static void iq4_xs_sub_scales(int8_t* scales, uint8_t* minima, const uint8_t* block) {
  (void)minima;
  for (size_t g = 0; g < 8; ++g) {
    const int low = block[4 + g / 2] >> 4 * (g % 2) & 15;
    scales[g] = (int8_t)((low | (read_u16(block + 2) >> 2 * g & 3) << 4) - 32);
  }
}

static int iq4_xs_encode(uint8_t* block, const float* x) {
  int8_t table[16];
  make_iq4_table(table);
  const struct search_range range = {8, 32, table, -127, 113, -32, 31, 0};
  struct search_result found = {0, 0, {0}, {0}};
  int8_t values[256];
  if (!search_values(&range, x, &found, values)) {
    return 0;
  }
  unsigned high = 0;
  memset(block, 0, 8);
  for (size_t g = 0; g < 8; ++g) {
    const unsigned scale = (unsigned)(found.scales[g] + 32);
    block[4 + g / 2] |= (uint8_t)((scale & 15) << 4 * (g % 2));
    high |= scale >> 4 << 2 * g;
    write_iq4(block + 8 + 16 * g, table, values + 32 * g);
  }
  write_u16(block + 2, high);
  return write_scale(block, found.d);
}

static const struct weight_format iq4_xs_format = {
    .name = "iq4_xs",
    .gguf_type = 23,
    .elements = 256,
    .bytes = 136,
    .activations = "q8_k",
    .layout = "kt4",
    .code_bits = 4,
    .group = 32,
    .d_at = 0,
    .m_at = NOWHERE,
    .sub_scales = iq4_xs_sub_scales,
    .values = iq4_xs_values,
    .codes = iq4_xs_codes,
    .encode = iq4_xs_encode,
};
