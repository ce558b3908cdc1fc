// PQ2_0, as PrismML calls it: Q2_0 with one scale for 128 weights, 34 bytes. It was Q2_0, with the number 42, before ggml gave that to blocks of
// 64 weights.
#pragma once
#include "kernels/formats/two_bits.h"

static void pq2_0_values(int8_t* values, const uint8_t* block) { values_of_two_bits(values, block, 128); }

static int pq2_0_encode(uint8_t* block, const float* x) { return encode_two_bits(block, x, 128); }

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
