// Q1_0 (ggml's block_q1_0): 128 weights in 18 bytes, an fp16 scale d and 16 bytes of signs, the lowest bit first. A
// weight is d where its bit is set, else -d.
#pragma once
#include <string.h>

#include "kernels/formats/format.h"

// Eight values at once, of the word's lowest byte the first: a bit becomes 2 or 0, of which 1 is taken.
static void q1_0_values(int8_t* values, const uint8_t* block) {
  for (size_t i = 0; i < 16; ++i) {
    const uint64_t twice = bytes_of_bits(block[2 + i]) << 1;
    // 2 becomes 1 and 0 becomes 255: nothing is borrowed from the next byte, which the top bit lends.
    const uint64_t eight = ((twice | 0x8080808080808080u) - 0x0101010101010101u) ^ 0x8080808080808080u;
    memcpy(values + 8 * i, &eight, 8);
  }
}

// ggml's quantize_row_q1_0_ref: d is the mean of the magnitudes.
static int q1_0_encode(uint8_t* block, const float* x) {
  float sum = 0;
  for (size_t i = 0; i < 128; ++i) {
    sum += x[i] < 0 ? -x[i] : x[i];
  }
  for (size_t i = 0; i < 16; ++i) {
    block[2 + i] = 0;
    for (size_t bit = 0; bit < 8; ++bit) {
      block[2 + i] |= (uint8_t)((x[8 * i + bit] >= 0) << bit);
    }
  }
  return are_finite(x, 128) & write_scale(block, sum / 128);
}

static const struct weight_format q1_0_format = {
    .name = "q1_0",
    .gguf_type = 41,
    .elements = 128,
    .bytes = 18,
    .activations = "q8_0",
    .layout = "u1",
    .code_bits = 1,
    .group = 128,
    .d_at = 0,
    .m_at = NOWHERE,
    .values = q1_0_values,
    .encode = q1_0_encode,
};
