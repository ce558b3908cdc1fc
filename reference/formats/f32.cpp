// F32: IEEE 754 binary32, little endian. A sign, 8 bits of exponent, 23 bits of fraction.
#include "reference/formats/f32.h"

#include "reference/formats.h"
#include "reference/formats/ieee754.h"

namespace reference {
namespace {

void decode_f32(const uint8_t* block, double* out) { *out = float_at(block); }

}  // namespace

double float_at(const uint8_t* bytes) {
  const uint32_t bits = bytes[0] | uint32_t{bytes[1]} << 8 | uint32_t{bytes[2]} << 16 | uint32_t{bytes[3]} << 24;
  return ieee754(bits, 8, 23);
}

Format f32_format() { return {0, "F32", 1, 4, Activations::as_they_are, decode_f32}; }

}  // namespace reference
