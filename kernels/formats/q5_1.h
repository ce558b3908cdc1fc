// Q5_1 (ggml's block_q5_1): 32 weights in 24 bytes, an fp16 scale d, an fp16 minimum m, 4 bytes with the highest bits of all codes and
// 16 bytes of their lower bits, as Q5_0 has them. A weight is d * code + m.
#pragma once
#include "kernels/formats/format.h"

static void q5_1_values(int8_t* values, const uint8_t* block) {
  codes_of_five_bits((uint8_t*)values, block + 4, block + 8);
}

// ggml's quantize_row_q5_1_ref: as Q4_1, with 31 in place of 15.
static int q5_1_encode(uint8_t* block, const float* x) {
  const struct value_range range = range_of(x, 32);
  const float d = (range.most - range.least) / 31;
  if (!are_finite(x, 32) || !is_finite_float(d)) {
    return 0;
  }
  const float inverse = inverse_of(d);
  uint32_t high = 0;
  for (size_t i = 0; i < 16; ++i) {
    const unsigned a = (unsigned)(int)((x[i] - range.least) * inverse + 0.5f);
    const unsigned b = (unsigned)(int)((x[16 + i] - range.least) * inverse + 0.5f);
    block[8 + i] = (uint8_t)((a & 15) | (b & 15) << 4);
    high |= (a >> 4 & 1) << i | (b >> 4 & 1) << (16 + i);
  }
  write_u32(block + 4, high);
  return write_scale(block, kept_scale(d)) & write_scale(block + 2, range.least);
}

static const struct weight_format q5_1_format = {
    .name = "q5_1",
    .gguf_type = 7,
    .elements = 32,
    .bytes = 24,
    .activations = "q8_0",
    .layout = "um5",
    .code_bits = 5,
    .group = 32,
    .d_at = 0,
    .m_at = 2,
    .values = q5_1_values,
    .encode = q5_1_encode,
};
