// Q1_0 (ggml's block_q1_0): 128 weights in 18 bytes, an fp16 scale d and 16 bytes of signs, the lowest bit first. A
// weight is d where its bit is set, else -d.
#pragma once
#include <string.h>

#include "kernels/formats/format.h"

static size_t q1_0_scale_at(size_t g) {
  (void)g;
  return 0;
}

// 2 and 0 about the zero that one bit has: 1. Eight codes at once: byte k of a word keeps bit k of a byte of signs, a
// sum carries it to bit 7, and a shift makes it a 2. The word's lowest byte is the first code.
static void q1_0_codes(uint8_t* codes, const uint8_t* block) {
  for (size_t i = 0; i < 16; ++i) {
    const uint64_t bits = block[2 + i] * 0x0101010101010101u & 0x8040201008040201u;
    const uint64_t eight = (bits + 0x00406070787c7e7fu) >> 6 & 0x0202020202020202u;
    memcpy(codes + 8 * i, &eight, 8);
  }
}

// ggml's quantize_row_q1_0_ref: d is the mean of the magnitudes.
static int q1_0_encode(uint8_t* block, const float* x) {
  float sum = 0;
  for (size_t i = 0; i < 128; ++i) {
    if (!is_finite_float(x[i])) {
      return 0;
    }
    sum += x[i] < 0 ? -x[i] : x[i];
  }
  write_u16(block, float_to_half(sum / 128));
  for (size_t i = 0; i < 16; ++i) {
    block[2 + i] = 0;
    for (size_t bit = 0; bit < 8; ++bit) {
      block[2 + i] |= (uint8_t)((x[8 * i + bit] >= 0) << bit);
    }
  }
  return (read_u16(block) & 0x7c00) != 0x7c00;
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
    .scale_at = q1_0_scale_at,
    .codes = q1_0_codes,
    .encode = q1_0_encode,
};
