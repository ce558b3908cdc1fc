// Q6_K (ggml's block_q6_K): 256 weights in 210 bytes: 128 bytes of two lower parts of codes each, 64 bytes of four higher ones each, 16
// signed scales of 16 weights each, and an fp16 d. Weight 128 g + 32 n + i has a half of byte 64 g + 32 (n % 2) + i of the lower parts,
// the low one for n < 2, and bits 2 n and 2 n + 1 of byte 32 g + i of the higher ones. It is d * scale * (code - 32).
#pragma once
#include "kernels/formats/search.h"

static void q6_k_values(int8_t* values, const uint8_t* block) {
  for (size_t g = 0; g < 2; ++g) {
    for (size_t n = 0; n < 4; ++n) {
      for (size_t i = 0; i < 32; ++i) {
        const int low = block[64 * g + 32 * (n % 2) + i] >> (n < 2 ? 0 : 4) & 15;
        const int high = block[128 + 32 * g + i] >> 2 * n & 3;
        values[128 * g + 32 * n + i] = (int8_t)(low + 16 * high - 32);
      }
    }
  }
}

static void q6_k_sub_scales(int8_t* scales, uint8_t* minima, const uint8_t* block) {
  (void)minima;
  for (size_t g = 0; g < 16; ++g) {
    scales[g] = (int8_t)block[192 + g];
  }
}

static int q6_k_encode(uint8_t* block, const float* x) {
  static const struct search_range kRange = {16, 16, NULL, -32, 31, -128, 127, 0};
  struct search_result found = {0, 0, {0}, {0}};
  int8_t values[256];
  if (!search_values(&kRange, x, &found, values)) {
    return 0;
  }
  memset(block, 0, 192);
  for (size_t i = 0; i < 256; ++i) {
    const size_t g = i / 128;
    const size_t n = i % 128 / 32;
    const unsigned code = (unsigned)(values[i] + 32);
    block[64 * g + 32 * (n % 2) + i % 32] |= (uint8_t)((code & 15) << (n < 2 ? 0 : 4));
    block[128 + 32 * g + i % 32] |= (uint8_t)(code >> 4 << 2 * n);
  }
  for (size_t g = 0; g < 16; ++g) {
    block[192 + g] = (uint8_t)found.scales[g];
  }
  return write_scale(block + 208, found.d);
}

static const struct weight_format q6_k_format = {
    .name = "q6_k",
    .gguf_type = 14,
    .elements = 256,
    .bytes = 210,
    .activations = "q8_k",
    .layout = "k6",
    .code_bits = 6,
    .group = 16,
    .d_at = 208,
    .m_at = NOWHERE,
    .sub_scales = q6_k_sub_scales,
    .values = q6_k_values,
    .encode = q6_k_encode,
};
