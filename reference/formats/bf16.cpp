// BF16: the upper half of an IEEE 754 binary32, little endian. A sign, 8 bits of exponent, 7 bits of fraction.
#include "reference/formats.h"
#include "reference/formats/ieee754.h"

namespace reference {
namespace {

void decode_bf16(const uint8_t* block, double* out) { *out = ieee754(block[0] | uint32_t{block[1]} << 8, 8, 7); }

}  // namespace

Format bf16_format() { return {30, "BF16", 1, 2, Activations::as_they_are, decode_bf16}; }

}  // namespace reference
