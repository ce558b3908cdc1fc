// Q5_K (ggml's block_q5_K): 256 weights in 176 bytes: as Q4_K, with 32 bytes of the highest bits of all codes before the others. Bit n of
// byte i is that of weight 32 n + i.
#pragma once
#include "kernels/formats/format.h"

static void q5_k_values(int8_t* values, const uint8_t* block) {
  for (size_t g = 0; g < 4; ++g) {
    for (size_t i = 0; i < 32; ++i) {
      values[64 * g + i] = (int8_t)((block[48 + 32 * g + i] & 15) + 16 * (block[16 + i] >> 2 * g & 1));
      values[64 * g + 32 + i] = (int8_t)((block[48 + 32 * g + i] >> 4) + 16 * (block[16 + i] >> (2 * g + 1) & 1));
    }
  }
}

// Eight scales and eight minima of 6 bits in 12 bytes, as ggml's get_scale_min_k4 takes them out: the first four of each are the lower
// bits of bytes 0 to 3 and 4 to 7, whose two higher ones belong to the other four, of which bytes 8 to 11 hold the lower halves.
static void q5_k_sub_scales(int8_t* scales, uint8_t* minima, const uint8_t* block) {
  const uint8_t* packed = block + 4;
  for (size_t g = 0; g < 4; ++g) {
    scales[g] = (int8_t)(packed[g] & 63);
    minima[g] = packed[4 + g] & 63;
    scales[4 + g] = (int8_t)((packed[8 + g] & 15) | packed[g] >> 6 << 4);
    minima[4 + g] = (uint8_t)(packed[8 + g] >> 4 | packed[4 + g] >> 6 << 4);
  }
}

static const struct weight_format q5_k_format = {
    .name = "q5_k",
    .gguf_type = 13,
    .elements = 256,
    .bytes = 176,
    .activations = "q8_k",
    .layout = "km5",
    .code_bits = 5,
    .group = 32,
    .d_at = 0,
    .m_at = 2,
    .sub_scales = q5_k_sub_scales,
    .values = q5_k_values,
};
