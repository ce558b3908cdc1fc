// Q5_0 (ggml's block_q5_0): 32 weights in 22 bytes, an fp16 scale d, 4 bytes with the highest bits of all codes (bit i is that of
// weight i) and 16 bytes of the four lower bits of two codes each, as Q4_0 has them. A weight is d * (code - 16).
#pragma once
#include "kernels/formats/format.h"

static size_t q5_0_scale_at(size_t g) {
  (void)g;
  return 0;
}

// The layout's codes have 8 bits, so that 128 stands for 0.
static void q5_0_codes(uint8_t* codes, const uint8_t* block) {
  const uint32_t high = (uint32_t)read_u16(block + 4) << 16 | read_u16(block + 2);
  for (size_t i = 0; i < 16; ++i) {
    codes[i] = (uint8_t)((block[6 + i] & 15) + (high >> i & 1) * 16 + 112);
    codes[16 + i] = (uint8_t)((block[6 + i] >> 4) + (high >> (16 + i) & 1) * 16 + 112);
  }
}

// ggml's quantize_row_q5_0_ref: as Q4_0, with 16 in place of 8.
static int q5_0_encode(uint8_t* block, const float* x) {
  float most = 0;
  float signed_most = 0;
  for (size_t i = 0; i < 32; ++i) {
    const float magnitude = x[i] < 0 ? -x[i] : x[i];
    if (!is_finite_float(x[i])) {
      return 0;
    }
    if (magnitude > most) {
      most = magnitude;
      signed_most = x[i];
    }
  }
  const float d = signed_most / -16;
  const float inverse = d != 0 && is_finite_float(1 / d) ? 1 / d : 0;
  write_u16(block, inverse != 0 ? float_to_half(d) : 0);
  uint32_t high = 0;
  for (size_t i = 0; i < 16; ++i) {
    const int one = (int)(x[i] * inverse + 16.5f);
    const int other = (int)(x[16 + i] * inverse + 16.5f);
    const unsigned a = (unsigned)(one < 31 ? one : 31);
    const unsigned b = (unsigned)(other < 31 ? other : 31);
    block[6 + i] = (uint8_t)((a & 15) | (b & 15) << 4);
    high |= (a >> 4) << i | (b >> 4) << (16 + i);
  }
  write_u16(block + 2, high & 0xffff);
  write_u16(block + 4, high >> 16);
  return (read_u16(block) & 0x7c00) != 0x7c00;
}

static const struct weight_format q5_0_format = {
    .name = "q5_0",
    .gguf_type = 6,
    .elements = 32,
    .bytes = 22,
    .activations = "q8_0",
    .layout = "u8",
    .code_bits = 8,
    .group = 32,
    .scale_at = q5_0_scale_at,
    .codes = q5_0_codes,
    .encode = q5_0_encode,
};
