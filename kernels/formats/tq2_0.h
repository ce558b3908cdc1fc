// TQ2_0 (ggml's block_tq2_0): 256 weights in 66 bytes, 64 bytes of four codes each and an fp16 scale d. Weight 128 g + 32 n + i is in bits
// 2 n and 2 n + 1 of byte 32 g + i. It is d * (code - 1); the code 3, which no quantizer writes, is 2.
#pragma once
#include "kernels/formats/format.h"

static void tq2_0_values(int8_t* values, const uint8_t* block) { planes_of_two_bits(values, block, 1); }

// ggml's quantize_row_tq2_0_ref: d is the largest magnitude.
static int tq2_0_encode(uint8_t* block, const float* x) {
  if (!are_finite(x, 256)) {
    return 0;
  }
  const float most = signed_most(x, 256);
  const float d = most < 0 ? -most : most;
  const float inverse = inverse_of(d);
  for (size_t g = 0; g < 2; ++g) {
    for (size_t i = 0; i < 32; ++i) {
      unsigned byte = 0;
      for (size_t n = 0; n < 4; ++n) {
        byte |= (unsigned)(round_half_away(x[128 * g + 32 * n + i] * inverse) + 1) << 2 * n;
      }
      block[32 * g + i] = (uint8_t)byte;
    }
  }
  return write_scale(block + 64, kept_scale(d));
}

static const struct weight_format tq2_0_format = {
    .name = "tq2_0",
    .gguf_type = 35,
    .elements = 256,
    .bytes = 66,
    .activations = "q8_k",
    .layout = "k2",
    .code_bits = 2,
    .group = 256,
    .d_at = 64,
    .m_at = NOWHERE,
    .values = tq2_0_values,
    .encode = tq2_0_encode,
};
