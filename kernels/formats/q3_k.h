// Q3_K (ggml's block_q3_K): 256 weights in 110 bytes: 32 bytes of the highest bits of all codes, 64 bytes of four lower parts each, 12
// bytes of 16 scales of 6 bits, and an fp16 d. Weight 128 g + 32 n + i has bits 2 n and 2 n + 1 of byte 32 g + i of the lower parts,
// and bit 4 g + n of byte i of the highest. It is d * (scale - 32) * (code - 4).
#pragma once
#include "kernels/formats/search.h"

static void q3_k_values(int8_t* values, const uint8_t* block) {
  for (size_t g = 0; g < 2; ++g) {
    for (size_t n = 0; n < 4; ++n) {
      for (size_t i = 0; i < 32; ++i) {
        values[128 * g + 32 * n + i] =
            (int8_t)((block[32 + 32 * g + i] >> 2 * n & 3) + 4 * (block[i] >> (4 * g + n) & 1) - 4);
      }
    }
  }
}

// The four lower bits of scales 0 to 7 and of 8 to 15 are the halves of 8
// bytes; the two higher ones of scale g are in byte 8 + g % 4.
static void q3_k_sub_scales(int8_t* scales, uint8_t* minima, const uint8_t* block) {
  (void)minima;
  const uint8_t* packed = block + 96;
  for (size_t g = 0; g < 16; ++g) {
    const int low = g < 8 ? packed[g] & 15 : packed[g - 8] >> 4;
    scales[g] = (int8_t)((low | (packed[8 + g % 4] >> 2 * (g / 4) & 3) << 4) - 32);
  }
}

static int q3_k_encode(uint8_t* block, const float* x) {
  static const struct search_range kRange = {16, 16, NULL, -4, 3, -32, 31, 0};
  struct search_result found = {0, 0, {0}, {0}};
  int8_t values[256];
  if (!search_values(&kRange, x, &found, values)) {
    return 0;
  }
  memset(block, 0, 110);
  write_planes_of_two_bits(block + 32, values, 4);
  for (size_t i = 0; i < 256; ++i) {
    block[i % 32] |= (uint8_t)((values[i] + 4) >> 2 << i / 32);
  }
  uint8_t* packed = block + 96;
  for (size_t g = 0; g < 16; ++g) {
    const unsigned scale = (unsigned)(found.scales[g] + 32);
    packed[g % 8] |= (uint8_t)((scale & 15) << 4 * (g / 8));
    packed[8 + g % 4] |= (uint8_t)(scale >> 4 << 2 * (g / 4));
  }
  return write_scale(block + 108, found.d);
}

static const struct weight_format q3_k_format = {
    .name = "q3_k",
    .gguf_type = 11,
    .elements = 256,
    .bytes = 110,
    .activations = "q8_k",
    .layout = "k3",
    .code_bits = 3,
    .group = 16,
    .d_at = 108,
    .m_at = NOWHERE,
    .sub_scales = q3_k_sub_scales,
    .values = q3_k_values,
    .encode = q3_k_encode,
};
