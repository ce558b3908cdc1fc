// IQ4_NL (ggml's block_iq4_nl): 32 weights in 18 bytes, an fp16 scale d and 16 bytes of two codes each, as Q4_0 has them. A weight is
// d * table[code].
#pragma once
#include "kernels/formats/format.h"

static void iq4_nl_values(int8_t* values, const uint8_t* block) { values_of_iq4(values, block + 2); }

static const struct weight_format iq4_nl_format = {
    .name = "iq4_nl",
    .gguf_type = 20,
    .elements = 32,
    .bytes = 18,
    .activations = "q8_0",
    .layout = "ut4",
    .code_bits = 4,
    .group = 32,
    .d_at = 0,
    .m_at = NOWHERE,
    .values = iq4_nl_values,
};
