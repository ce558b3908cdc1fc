// Q3_K (ggml's block_q3_K): 32 bytes of third bits (bit n of byte i is that of weight 32 n + i), 64 bytes of the two lower ones as TQ2_0 has
// them, 12 bytes of scales, d in F16. Scale g has its lower four bits in half g / 8 of byte g % 8, its upper two in bits 2 (g / 4) of
// byte 8 + g % 4. A weight is d * (scale - 32) * (code - 4).
#include "reference/formats.h"
#include "reference/formats/f16.h"

namespace reference {
namespace {

int scale(const uint8_t* packed, int g) {
  const int low = packed[g % 8] >> (g / 8 * 4) & 15;
  const int high = packed[8 + g % 4] >> (g / 4 * 2) & 3;
  return low + 16 * high - 32;
}

void decode_q3_k(const uint8_t* block, double* out) {
  const double d = half_at(block + 108);
  for (int i = 0; i < 256; ++i) {
    const int low = block[32 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    const int third = block[i % 32] >> (i / 32) & 1;
    out[i] = d * scale(block + 96, i / 16) * (low + 4 * third - 4);
  }
}

}  // namespace

Format q3_k_format() { return {11, "Q3_K", 256, 110, Activations::q8_k, decode_q3_k}; }

}  // namespace reference
