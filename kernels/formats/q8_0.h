// Q8_0 (ggml's block_q8_0): 32 weights in 34 bytes, an fp16 scale d and 32 signed codes. A weight is d * code.
#pragma once
#include "kernels/formats/format.h"

static size_t q8_0_scale_at(size_t g) {
  (void)g;
  return 0;
}

// The layout's codes are unsigned, so that 128 stands for 0.
static void q8_0_codes(uint8_t* codes, const uint8_t* block) {
  for (size_t i = 0; i < 32; ++i) {
    codes[i] = (uint8_t)(block[2 + i] ^ 0x80);
  }
}

// ggml's quantize_row_q8_0_ref: d = amax / 127, codes x / d rounded half away from zero, with the d that is not yet rounded.
static int q8_0_encode(uint8_t* block, const float* x) {
  float most = 0;
  for (size_t i = 0; i < 32; ++i) {
    const float magnitude = x[i] < 0 ? -x[i] : x[i];
    if (!is_finite_float(x[i])) {
      return 0;
    }
    most = magnitude > most ? magnitude : most;
  }
  const float d = most / 127;
  const float inverse = d != 0 && is_finite_float(1 / d) ? 1 / d : 0;
  write_u16(block, inverse != 0 ? float_to_half(d) : 0);
  for (size_t i = 0; i < 32; ++i) {
    const float scaled = x[i] * inverse;
    const int code = (int)scaled;  // toward zero
    const float rest = scaled - (float)code;
    block[2 + i] = (uint8_t)(code + (rest >= 0.5f) - (rest <= -0.5f));
  }
  return (read_u16(block) & 0x7c00) != 0x7c00;
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
    .scale_at = q8_0_scale_at,
    .codes = q8_0_codes,
    .encode = q8_0_encode,
};
