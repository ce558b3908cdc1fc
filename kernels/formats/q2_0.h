// Q2_0 (ggml's block_q2_0): 64 weights in 18 bytes.
#pragma once
#include "kernels/formats/two_bits.h"

static void q2_0_values(int8_t* values, const uint8_t* block) { values_of_two_bits(values, block, 64); }

static int q2_0_encode(uint8_t* block, const float* x) { return encode_two_bits(block, x, 64); }

static const struct weight_format q2_0_format = {
    .name = "q2_0",
    .gguf_type = 42,
    .elements = 64,
    .bytes = 18,
    .activations = "q8_0",
    .layout = "u2",
    .code_bits = 2,
    .group = 64,
    .d_at = 0,
    .m_at = NOWHERE,
    .values = q2_0_values,
    .encode = q2_0_encode,
};
