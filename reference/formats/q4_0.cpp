// Q4_0 (ggml's block_q4_0): 32 weights in 18 bytes, a scale d in F16 and 16 bytes of two codes of 4 bits each. The low
// half of byte i is weight i, the high half weight i + 16. A weight is d * (code - 8).
#include "reference/formats.h"
#include "reference/formats/f16.h"

namespace reference {
namespace {

void decode_q4_0(const uint8_t* block, double* out) {
  const double d = half_at(block);
  for (int i = 0; i < 16; ++i) {
    const int low = block[2 + i] & 15;
    const int high = block[2 + i] >> 4;
    out[i] = d * (low - 8);
    out[i + 16] = d * (high - 8);
  }
}

}  // namespace

Format q4_0_format() { return {2, "Q4_0", 32, 18, Activations::q8_0, decode_q4_0}; }

}  // namespace reference
