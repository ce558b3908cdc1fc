// MXFP4 (OCP Microscaling Formats 1.0, ggml's block_mxfp4): an exponent of 8 bits, biased by 127, then 16 bytes: the low half of byte i is
// weight i, the high half weight i + 16. Each half is a float: a sign, two bits of an exponent biased by 1, one of a fraction. Where
// ggml differs, it is followed: -0 is +0, and the exponent 255 is no NaN.
#include <cmath>

#include "reference/formats.h"

namespace reference {
namespace {

double number(int code) {
  const int exponent = code >> 1 & 3;
  const double fraction = (code & 1) * 0.5;
  const double magnitude = exponent == 0 ? fraction : std::ldexp(1 + fraction, exponent - 1);
  return code >= 8 && magnitude != 0 ? -magnitude : magnitude;
}

void decode_mxfp4(const uint8_t* block, double* out) {
  const double scale = std::ldexp(1.0, block[0] - 127);
  for (int i = 0; i < 16; ++i) {
    out[i] = scale * number(block[1 + i] & 15);
    out[i + 16] = scale * number(block[1 + i] >> 4);
  }
}

}  // namespace

Format mxfp4_format() { return {39, "MXFP4", 32, 17, Activations::q8_0, decode_mxfp4}; }

}  // namespace reference
