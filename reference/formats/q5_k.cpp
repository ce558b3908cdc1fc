// Q5_K (ggml's block_q5_K): as Q4_K, with 32 bytes before its codes, of which bit n of byte i is the fifth bit of weight 32 n + i.
#include "reference/formats.h"
#include "reference/formats/f16.h"
#include "reference/formats/k_scales.h"
#include "reference/formats/parts.h"

namespace reference {
namespace {

void parts_of_q5_k(const uint8_t* block, double* scaled, double* offsets) {
  const double d = half_at(block);
  const double m = half_at(block + 2);
  for (int i = 0; i < 256; ++i) {
    const int low = block[48 + i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4) & 15;
    const int fifth = block[16 + i % 32] >> (i / 32) & 1;
    scaled[i] = d * k_scale(block + 4, i / 32) * (low + 16 * fifth);
    offsets[i] = -m * k_minimum(block + 4, i / 32);
  }
}

}  // namespace

Format q5_k_format() {
  return {13, "Q5_K", 256, 176, Activations::q8_k, decode_parts<parts_of_q5_k, 256>, parts_of_q5_k};
}

}  // namespace reference
