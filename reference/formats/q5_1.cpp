// Q5_1 (ggml's block_q5_1): d, m in F16, 4 bytes of which bit i is the fifth bit of weight i, then 16 bytes of the lower bits as Q4_1 has
// them. A weight is d * code + m.
#include "reference/formats.h"
#include "reference/formats/f16.h"
#include "reference/formats/parts.h"

namespace reference {
namespace {

void parts_of_q5_1(const uint8_t* block, double* scaled, double* offsets) {
  const double d = half_at(block);
  const double m = half_at(block + 2);
  for (int i = 0; i < 32; ++i) {
    const int byte = block[8 + i % 16];
    const int low = i < 16 ? byte & 15 : byte >> 4;
    const int fifth = block[4 + i / 8] >> (i % 8) & 1;
    scaled[i] = d * (low + 16 * fifth);
    offsets[i] = m;
  }
}

}  // namespace

Format q5_1_format() { return {7, "Q5_1", 32, 24, Activations::q8_0, decode_parts<parts_of_q5_1, 32>, parts_of_q5_1}; }

}  // namespace reference
