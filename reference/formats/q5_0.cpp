// Q5_0 (ggml's block_q5_0): 32 weights in 22 bytes, a scale d in F16, then 4 bytes whose bit i is the fifth bit of code i, then
// 16 bytes: the low half of byte i has the other bits of code i, the high half those of code i + 16. A weight is d * (code - 16).
#include "reference/formats.h"
#include "reference/formats/f16.h"

namespace reference {
namespace {

void decode_q5_0(const uint8_t* block, double* out) {
  const double d = half_at(block);
  for (int i = 0; i < 32; ++i) {
    const int fifth = block[2 + i / 8] >> i % 8 & 1;
    const int four = i < 16 ? block[6 + i] & 15 : block[6 + i - 16] >> 4;
    out[i] = d * (16 * fifth + four - 16);
  }
}

}  // namespace

Format q5_0_format() { return {6, "Q5_0", 32, 22, Activations::q8_0, decode_q5_0}; }

}  // namespace reference
