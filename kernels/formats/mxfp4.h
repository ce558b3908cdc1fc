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

static void mxfp4_codes(uint8_t* codes, const uint8_t* block) { codes_of_halves(codes, block + 1); }

// ggml's quantize_row_mxfp4_ref: the exponent is that of the largest magnitude
// less 2; of two codes that are as near the first.
static int mxfp4_encode(uint8_t* block, const float* x) {
  if (!are_finite(x, 32)) {
    return 0;
  }
  const uint32_t exponent = bits_of_float(signed_most(x, 32)) >> 23 & 255;
  block[0] = (uint8_t)(exponent > 2 ? exponent - 2 : 0);
  const float d = half_of_power(block[0]);
  for (size_t i = 0; i < 16; ++i) {
    unsigned codes[2] = {0, 0};
    for (size_t half = 0; half < 2; ++half) {
      const float wanted = x[16 * half + i];
      float least = float_of_bits(0x7f800000);
      for (unsigned code = 0; code < 16; ++code) {
        const float off = d * (float)mxfp4_table[code] - wanted;
        const float error = off < 0 ? -off : off;
        codes[half] = error < least ? code : codes[half];
        least = error < least ? error : least;
      }
    }
    block[1 + i] = (uint8_t)(codes[0] | codes[1] << 4);
  }
  return 1;
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
    .codes = mxfp4_codes,
    .encode = mxfp4_encode,
};
