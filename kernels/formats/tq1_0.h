// TQ1_0 (ggml's block_tq1_0): 256 weights in 54 bytes, 52 bytes of five or four trits each and an fp16 scale d. A byte is a fraction of
// 256: its trits t are the digits to the base of 3, the first the most significant. Weights 0 to 159: trit n of byte i < 32 is weight
// 32 n + i; 160 to 239: trit n of byte 32 + i is weight 160 + 16 n + i; the others: trit n < 4 of byte 48 + i is weight 240 + 4 n + i. A
// weight is d * (t - 1).
#pragma once
#include "kernels/formats/format.h"

// Trit n of a byte: times 3^n the fraction before it is gone from the byte, and times 3 the next digit stands above it.
static int tq1_0_trit(uint8_t byte, unsigned power) { return (uint8_t)(byte * power) * 3 >> 8; }

static void tq1_0_values(int8_t* values, const uint8_t* block) {
  static const unsigned kPowers[5] = {1, 3, 9, 27, 81};
  for (size_t n = 0; n < 5; ++n) {
    for (size_t i = 0; i < 32; ++i) {
      values[32 * n + i] = (int8_t)(tq1_0_trit(block[i], kPowers[n]) - 1);
    }
    for (size_t i = 0; i < 16; ++i) {
      values[160 + 16 * n + i] = (int8_t)(tq1_0_trit(block[32 + i], kPowers[n]) - 1);
    }
    for (size_t i = 0; n < 4 && i < 4; ++i) {
      values[240 + 4 * n + i] = (int8_t)(tq1_0_trit(block[48 + i], kPowers[n]) - 1);
    }
  }
}

// `trits` of them, `apart` weights apart, as a fraction rounded up, so that none of its digits is one too low.
static uint8_t tq1_0_byte(const float* x, size_t trits, size_t apart, float inverse) {
  unsigned number = 0;
  for (size_t n = 0; n < 5; ++n) {
    number = number * 3 + (n < trits ? (unsigned)(round_half_away(x[n * apart] * inverse) + 1) : 0);
  }
  return (uint8_t)((number * 256 + 242) / 243);
}

// ggml's quantize_row_tq1_0_ref: d is the largest magnitude.
static int tq1_0_encode(uint8_t* block, const float* x) {
  if (!are_finite(x, 256)) {
    return 0;
  }
  const float most = signed_most(x, 256);
  const float d = most < 0 ? -most : most;
  const float inverse = inverse_of(d);
  for (size_t i = 0; i < 32; ++i) {
    block[i] = tq1_0_byte(x + i, 5, 32, inverse);
  }
  for (size_t i = 0; i < 16; ++i) {
    block[32 + i] = tq1_0_byte(x + 160 + i, 5, 16, inverse);
  }
  for (size_t i = 0; i < 4; ++i) {
    block[48 + i] = tq1_0_byte(x + 240 + i, 4, 4, inverse);
  }
  return write_scale(block + 52, kept_scale(d));
}

static const struct weight_format tq1_0_format = {
    .name = "tq1_0",
    .gguf_type = 34,
    .elements = 256,
    .bytes = 54,
    .activations = "q8_k",
    .layout = "k1",
    .code_bits = 1,
    .group = 256,
    .d_at = 52,
    .m_at = NOWHERE,
    .values = tq1_0_values,
    .encode = tq1_0_encode,
};
