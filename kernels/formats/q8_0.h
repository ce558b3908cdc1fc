// Q8_0 (ggml's block_q8_0): 32 weights in 34 bytes, an fp16 scale d and 32 signed codes. A weight is d * code.
#pragma once
#include "kernels/formats/format.h"

static void q8_0_values(int8_t* values, const uint8_t* block) {
  for (size_t i = 0; i < 32; ++i) {
    values[i] = (int8_t)block[2 + i];
  }
}

// ggml's quantize_row_q8_0_ref: d = amax / 127, codes x / d rounded half away from zero, with the d that is not yet rounded.
static int q8_0_encode(uint8_t* block, const float* x) {
  if (!are_finite(x, 32)) {
    return 0;
  }
  const float most = signed_most(x, 32);
  const float d = (most < 0 ? -most : most) / 127;
  const float inverse = inverse_of(d);
  for (size_t i = 0; i < 32; ++i) {
    block[2 + i] = (uint8_t)round_half_away(x[i] * inverse);
  }
  return write_scale(block, kept_scale(d));
}

static const struct weight_format q8_0_format = {
    .name = "q8_0",
    .gguf_type = 8,
    .elements = 32,
    .bytes = 34,
    .activations = "q8_0",
    .layout = "u8",
    .code_bits = 8,
    .group = 32,
    .d_at = 0,
    .m_at = NOWHERE,
    .values = q8_0_values,
    .encode = q8_0_encode,
};
