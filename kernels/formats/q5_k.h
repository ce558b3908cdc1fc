// Q5_K (ggml's block_q5_K): 256 weights in 176 bytes: as Q4_K, with 32 bytes of the highest bits of all codes before the others. Bit n of
// byte i is that of weight 32 n + i.
#pragma once
#include "kernels/formats/search.h"

static void q5_k_values(int8_t* values, const uint8_t* block) {
  for (size_t g = 0; g < 4; ++g) {
    for (size_t i = 0; i < 32; ++i) {
      values[64 * g + i] = (int8_t)((block[48 + 32 * g + i] & 15) + 16 * (block[16 + i] >> 2 * g & 1));
      values[64 * g + 32 + i] = (int8_t)((block[48 + 32 * g + i] >> 4) + 16 * (block[16 + i] >> (2 * g + 1) & 1));
    }
  }
}

static void q5_k_sub_scales(int8_t* scales, uint8_t* minima, const uint8_t* block) {
  scales_of_six_bits(scales, minima, block + 4);
}

static int q5_k_encode(uint8_t* block, const float* x) {
  static const struct search_range kRange = {8, 32, NULL, 0, 31, 0, 63, 1};
  struct search_result found = {0, 0, {0}, {0}};
  int8_t values[256];
  if (!search_values(&kRange, x, &found, values)) {
    return 0;
  }
  write_scales_of_six_bits(block + 4, found.scales, found.minima);
  memset(block + 16, 0, 32);
  for (size_t i = 0; i < 256; ++i) {
    block[16 + i % 32] |= (uint8_t)(values[i] >> 4 << i / 32);
  }
  write_nibbles(block + 48, values);
  return write_scale(block, found.d) & write_scale(block + 2, found.m);
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
    .encode = q5_k_encode,
};
