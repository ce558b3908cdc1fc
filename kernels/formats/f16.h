// F16: IEEE 754 half precision.
#pragma once
#include "kernels/formats/format.h"

// A number over 65504 becomes Inf, and no weight should: that is refused. NaN and Inf stay.
static int f16_encode(uint8_t* block, const float* x) {
  write_u16(block, float_to_half(*x));
  return !is_finite_float(*x) || (read_u16(block) & 0x7c00) != 0x7c00;
}

static const struct weight_format f16_format = {
    .name = "f16",
    .gguf_type = 1,
    .elements = 1,
    .bytes = 2,
    .activations = "f32",
    .layout = "f16",
    .encode = f16_encode,
};
