// Q4_1 of ggml's files of March to May 2023: d, m in F32, then 16 bytes: the low half of byte i is weight 2 i, the high half weight
// 2 i + 1. A weight is d * code + m. Its type is 3 in those files, and none in GGUF.
#include "reference/formats.h"
#include "reference/formats/f32.h"
#include "reference/formats/parts.h"

namespace reference {
namespace {

void parts_of_q4_1_2023(const uint8_t* block, double* scaled, double* offsets) {
  const double d = float_at(block);
  const double m = float_at(block + 4);
  for (int i = 0; i < 16; ++i) {
    scaled[2 * i] = d * (block[8 + i] & 15);
    scaled[2 * i + 1] = d * (block[8 + i] >> 4);
    offsets[2 * i] = m;
    offsets[2 * i + 1] = m;
  }
}

}  // namespace

Format q4_1_2023_format() {
  return {65536 + 3, "Q4_1_2023", 32, 24, Activations::q8_0, decode_parts<parts_of_q4_1_2023, 32>, parts_of_q4_1_2023};
}

}  // namespace reference
