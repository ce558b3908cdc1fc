// Q2_K (ggml's block_q2_K): 16 bytes of a scale (low half) and a minimum (high half) of 16 weights each, 64 bytes of codes, d and dmin in
// F16. Codes as TQ2_0 has them. A weight is d * scale * code - dmin * minimum.
#include "reference/formats.h"
#include "reference/formats/f16.h"
#include "reference/formats/parts.h"

namespace reference {
namespace {

void parts_of_q2_k(const uint8_t* block, double* scaled, double* offsets) {
  const double d = half_at(block + 80);
  const double m = half_at(block + 82);
  for (int i = 0; i < 256; ++i) {
    const int code = block[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    scaled[i] = d * (block[i / 16] & 15) * code;
    offsets[i] = -m * (block[i / 16] >> 4);
  }
}

}  // namespace

Format q2_k_format() {
  return {10, "Q2_K", 256, 84, Activations::q8_k, decode_parts<parts_of_q2_k, 256>, parts_of_q2_k};
}

}  // namespace reference
