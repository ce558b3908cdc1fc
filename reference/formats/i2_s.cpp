// I2_S of BitNet's files: 128 weights in 32 bytes; bits 7 and 6 of byte k are weight k, then those below weights 32 + k, 64 + k and 96 + k.
// A weight is code - 1, times a scale that the whole tensor shares, which is no part of a block: here it is 1.
#include "reference/formats.h"

namespace reference {
namespace {

void decode_i2_s(const uint8_t* block, double* out) {
  for (int k = 0; k < 32; ++k) {
    out[k] = block[k] / 64 - 1;
    out[k + 32] = block[k] / 16 % 4 - 1;
    out[k + 64] = block[k] / 4 % 4 - 1;
    out[k + 96] = block[k] % 4 - 1;
  }
}

}  // namespace

Format i2_s_format() { return {36, "I2_S", 128, 32, Activations::i8_s, decode_i2_s}; }

}  // namespace reference
