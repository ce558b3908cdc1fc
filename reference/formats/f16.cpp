// F16: IEEE 754 binary16, little endian. A sign, 5 bits of exponent, 10 bits of fraction.
#include "reference/formats/f16.h"

#include "reference/formats.h"
#include "reference/formats/ieee754.h"

namespace reference {
namespace {

void decode_f16(const uint8_t* block, double* out) { *out = half_at(block); }

}  // namespace

double half_at(const uint8_t* bytes) { return ieee754(bytes[0] | uint32_t{bytes[1]} << 8, 5, 10); }

Format f16_format() { return {1, "F16", 1, 2, Activations::as_they_are, decode_f16}; }

}  // namespace reference
