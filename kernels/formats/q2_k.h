// Q2_K (ggml's block_q2_K): 256 weights in 84 bytes, 16 bytes of a scale (the low half) and a minimum of 16 weights each, 64 bytes of four
// codes each, an fp16 d and an fp16 dmin. Weight 128 g + 32 n + i has bits 2 n and 2 n + 1 of byte 32 g + i of the codes. It is
// d * scale * code - dmin * minimum.
#pragma once
#include "kernels/formats/search.h"

static void q2_k_values(int8_t* values, const uint8_t* block) { planes_of_two_bits(values, block + 16, 0); }

static void q2_k_sub_scales(int8_t* scales, uint8_t* minima, const uint8_t* block) {
  for (size_t g = 0; g < 16; ++g) {
    scales[g] = (int8_t)(block[g] & 15);
    minima[g] = block[g] >> 4;
  }
}

static int q2_k_encode(uint8_t* block, const float* x) {
  static const struct search_range kRange = {16, 16, NULL, 0, 3, 0, 15, 1};
  struct search_result found = {0, 0, {0}, {0}};
  int8_t values[256];
  if (!search_values(&kRange, x, &found, values)) {
    return 0;
  }
  for (size_t g = 0; g < 16; ++g) {
    block[g] = (uint8_t)(found.scales[g] | found.minima[g] << 4);
  }
  write_planes_of_two_bits(block + 16, values, 0);
  return write_scale(block + 80, found.d) & write_scale(block + 82, found.m);
}

static const struct weight_format q2_k_format = {
    .name = "q2_k",
    .gguf_type = 10,
    .elements = 256,
    .bytes = 84,
    .activations = "q8_k",
    .layout = "km2",
    .code_bits = 2,
    .group = 16,
    .d_at = 80,
    .m_at = 82,
    .sub_scales = q2_k_sub_scales,
    .values = q2_k_values,
    .encode = q2_k_encode,
};
