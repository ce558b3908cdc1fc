// I2_S of BitNet's files (microsoft/BitNet, x86): the weights of a tensor one row after the other, 128 in 32 bytes. Byte k has four codes of
// two bits: the highest is that of weight k, then of 32 + k, 64 + k and 96 + k. A weight is code - 1, times the scale of the tensor, which
// lies behind all of them and is not known here: quantize_i8_s multiplies it into the scale of the activations.
#pragma once
#include "kernels/formats/format.h"

static void i2_s_values(int8_t* values, const uint8_t* block) {
  for (size_t i = 0; i < 32; ++i) {
    for (size_t j = 0; j < 4; ++j) {
      values[32 * j + i] = (int8_t)((block[i] >> (6 - 2 * j) & 3) - 1);
    }
  }
}

static const struct weight_format i2_s_format = {
    .name = "i2_s",
    .gguf_type = 36,
    .elements = 128,
    .bytes = 32,
    .activations = "i8_s",
    .layout = "t2",
    .code_bits = 2,
    .group = 128,
    .d_at = NOWHERE,
    .m_at = NOWHERE,
    .values = i2_s_values,
};
