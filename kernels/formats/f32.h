// F32: IEEE 754 single precision, as it is.
#pragma once
#include <string.h>

#include "kernels/formats/format.h"

static int f32_encode(uint8_t* block, const float* x) {
  memcpy(block, x, sizeof *x);
  return 1;
}

static const struct weight_format f32_format = {
    .name = "f32",
    .gguf_type = 0,
    .elements = 1,
    .bytes = 4,
    .activations = "f32",
    .layout = "f32",
    .encode = f32_encode,
};
