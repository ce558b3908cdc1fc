// Q4_K (ggml's block_q4_K): d and dmin in F16, 12 bytes of scales and minima of 32 weights each, 128 bytes of codes: four times 32 bytes
// whose low halves are 32 weights and whose high halves the next 32. A weight is d * scale * code - dmin * minimum.
#include "reference/formats.h"
#include "reference/formats/f16.h"
#include "reference/formats/k_scales.h"
#include "reference/formats/parts.h"

namespace reference {
namespace {

void parts_of_q4_k(const uint8_t* block, double* scaled, double* offsets) {
  const double d = half_at(block);
  const double m = half_at(block + 2);
  for (int i = 0; i < 256; ++i) {
    const int code = block[16 + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
    scaled[i] = d * k_scale(block + 4, i / 32) * code;
    offsets[i] = -m * k_minimum(block + 4, i / 32);
  }
}

}  // namespace

Format q4_k_format() {
  return {12, "Q4_K", 256, 144, Activations::q8_k, decode_parts<parts_of_q4_k, 256>, parts_of_q4_k};
}

}  // namespace reference
