// BF16: the upper half of a float.
#pragma once
#include "kernels/formats/format.h"

// To nearest even. A number that becomes Inf is refused, as no weight should be that large. NaN and Inf stay; a NaN becomes a quiet one, as the
// bits that tell it from Inf may be those that are cut off.
static int bf16_encode(uint8_t* block, const float* x) {
  const uint32_t bits = bits_of_float(*x);
  if ((bits & 0x7fffffff) > 0x7f800000) {
    write_u16(block, bits >> 16 | 0x40);
    return 1;
  }
  write_u16(block, (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  return !is_finite_float(*x) || (read_u16(block) & 0x7f80) != 0x7f80;
}

static const struct weight_format bf16_format = {
    .name = "bf16",
    .gguf_type = 30,
    .elements = 1,
    .bytes = 2,
    .activations = "f32",
    .layout = "bf16",
    .encode = bf16_encode,
};
