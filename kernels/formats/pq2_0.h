// PQ2_0, as PrismML calls it: Q2_0 with one scale for 128 weights, 34 bytes. It was Q2_0, with the number 42, before ggml gave that to blocks of
// 64 weights.
#pragma once
#include "kernels/formats/format.h"

static void pq2_0_values(int8_t* values, const uint8_t* block) {
  for (size_t i = 0; i < 128; ++i) {
    values[i] = (int8_t)((block[2 + i / 4] >> 2 * (i % 4) & 3) - 1);
  }
}

// By the rule of Q2_0: d is the largest magnitude.
static int pq2_0_encode(uint8_t* block, const float* x) {
  if (!are_finite(x, 128)) {
    return 0;
  }
  const float most = signed_most(x, 128);
  const float d = most < 0 ? -most : most;
  const float inverse = inverse_of(d);
  for (size_t i = 0; i < 32; ++i) {
    unsigned byte = 0;
    for (size_t j = 0; j < 4; ++j) {
      byte |= (unsigned)(round_half_away(x[4 * i + j] * inverse) + 1) << 2 * j;
    }
    block[2 + i] = (uint8_t)byte;
  }
  return write_scale(block, kept_scale(d));
}

static const struct weight_format pq2_0_format = {
    .name = "pq2_0",
    .gguf_type = 142,
    .former_type = 42,
    .elements = 128,
    .bytes = 34,
    .activations = "q8_0",
    .layout = "u2",
    .code_bits = 2,
    .group = 128,
    .d_at = 0,
    .m_at = NOWHERE,
    .values = pq2_0_values,
    .encode = pq2_0_encode,
};
