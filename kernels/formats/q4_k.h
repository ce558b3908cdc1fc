// Q4_K (ggml's block_q4_K): 256 weights in 144 bytes, an fp16 d, an fp16 dmin, 12 bytes of the scales and minima of 32 weights each, and
// 128 bytes of two codes each. Weight 64 g + i has the low half of byte 32 g + i of the codes for i < 32, else the high half of byte
// 32 g + i - 32. It is d * scale * code - dmin * minimum.
#pragma once
#include "kernels/formats/search.h"

static void q4_k_values(int8_t* values, const uint8_t* block) {
  for (size_t g = 0; g < 4; ++g) {
    for (size_t i = 0; i < 32; ++i) {
      values[64 * g + i] = (int8_t)(block[16 + 32 * g + i] & 15);
      values[64 * g + 32 + i] = (int8_t)(block[16 + 32 * g + i] >> 4);
    }
  }
}

static void q4_k_sub_scales(int8_t* scales, uint8_t* minima, const uint8_t* block) {
  scales_of_six_bits(scales, minima, block + 4);
}

static int q4_k_encode(uint8_t* block, const float* x) {
  static const struct search_range kRange = {8, 32, NULL, 0, 15, 0, 63, 1};
  struct search_result found = {0, 0, {0}, {0}};
  int8_t values[256];
  if (!search_values(&kRange, x, &found, values)) {
    return 0;
  }
  write_scales_of_six_bits(block + 4, found.scales, found.minima);
  write_nibbles(block + 16, values);
  return write_scale(block, found.d) & write_scale(block + 2, found.m);
}

static const struct weight_format q4_k_format = {
    .name = "q4_k",
    .gguf_type = 12,
    .elements = 256,
    .bytes = 144,
    .activations = "q8_k",
    .layout = "km4",
    .code_bits = 4,
    .group = 32,
    .d_at = 0,
    .m_at = 2,
    .sub_scales = q4_k_sub_scales,
    .values = q4_k_values,
    .encode = q4_k_encode,
};
