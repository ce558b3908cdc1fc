// MXFP4 (ggml's block_mxfp4, OCP Microscaling Formats 1.0): 32 weights in 17 bytes, an exponent e (E8M0) and 16 bytes of two codes each, as
// Q4_0 has them. A code is a float of 4 bits (E2M1): twice its number is an integer, and a weight that times 2^(e - 128). The code of -0
// is +0.
#pragma once
#include "kernels/formats/format.h"

static const int8_t mxfp4_table[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static void mxfp4_values(int8_t* values, const uint8_t* block) {
  for (size_t i = 0; i < 16; ++i) {
    values[i] = mxfp4_table[block[1 + i] & 15];
    values[16 + i] = mxfp4_table[block[1 + i] >> 4];
  }
}

static const struct weight_format mxfp4_format = {
    .name = "mxfp4",
    .gguf_type = 39,
    .elements = 32,
    .bytes = 17,
    .activations = "q8_0",
    .layout = "ue4",
    .code_bits = 4,
    .group = 32,
    .d_at = 0,
    .m_at = NOWHERE,
    .d_is_power = 1,
    .values = mxfp4_values,
};
