// Q1_0 (ggml's block_q1_0): 128 weights in 18 bytes, a scale d in F16 and 16 bytes of one bit a weight. Weight i is bit
// i % 8 of byte i / 8, counted from the least significant one: +d where it is set, -d where not.
#include "reference/formats.h"
#include "reference/formats/f16.h"

namespace reference {
namespace {

void decode_q1_0(const uint8_t* block, double* out) {
  const double d = half_at(block);
  const double values[2] = {-d, d};
  for (int i = 0; i < 16; ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      out[8 * i + bit] = values[block[2 + i] >> bit & 1];
    }
  }
}

}  // namespace

Format q1_0_format() { return {41, "Q1_0", 128, 18, Activations::q8_0, decode_q1_0}; }

}  // namespace reference
