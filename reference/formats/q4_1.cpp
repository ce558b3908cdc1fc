// Q4_1 (ggml's block_q4_1): d, m in F16, then 16 bytes: the low half of byte i is weight i, the high half weight i + 16. A weight is
// d * code + m.
#include "reference/formats.h"
#include "reference/formats/f16.h"
#include "reference/formats/parts.h"

namespace reference {
namespace {

void parts_of_q4_1(const uint8_t* block, double* scaled, double* offsets) {
  const double d = half_at(block);
  const double m = half_at(block + 2);
  for (int i = 0; i < 16; ++i) {
    scaled[i] = d * (block[4 + i] & 15);
    scaled[i + 16] = d * (block[4 + i] >> 4);
    offsets[i] = m;
    offsets[i + 16] = m;
  }
}

}  // namespace

Format q4_1_format() { return {3, "Q4_1", 32, 20, Activations::q8_0, decode_parts<parts_of_q4_1, 32>, parts_of_q4_1}; }

}  // namespace reference
