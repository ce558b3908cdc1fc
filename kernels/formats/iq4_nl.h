// IQ4_NL (ggml's block_iq4_nl): 32 weights in 18 bytes, an fp16 scale d and 16 bytes of two codes each, as Q4_0 has them. A weight is
// d * table[code].
#pragma once
#include "kernels/formats/search.h"

static void iq4_nl_values(int8_t* values, const uint8_t* block) { values_of_iq4(values, block + 2); }

static void iq4_nl_codes(uint8_t* codes, const uint8_t* block) { codes_of_halves(codes, block + 2); }

static int iq4_nl_encode(uint8_t* block, const float* x) {
  int8_t table[16];
  make_iq4_table(table);
  const struct search_range range = {1, 32, table, -127, 113, 1, 1, 0};
  struct search_result found = {0, 0, {0}, {0}};
  int8_t values[32];
  if (!search_values(&range, x, &found, values)) {
    return 0;
  }
  write_iq4(block + 2, table, values);
  return write_scale(block, found.d);
}

static const struct weight_format iq4_nl_format = {
    .name = "iq4_nl",
    .gguf_type = 20,
    .elements = 32,
    .bytes = 18,
    .activations = "q8_0",
    .layout = "ut4",
    .code_bits = 4,
    .group = 32,
    .d_at = 0,
    .m_at = NOWHERE,
    .values = iq4_nl_values,
    .codes = iq4_nl_codes,
    .encode = iq4_nl_encode,
};
