// Q4_0 of ggml's files of March to May 2023: d in F32, then 16 bytes: the low half of byte i is weight 2 i, the high half weight 2 i + 1. A
// weight is d * (code - 8). Its type is 2 in those files, and none in GGUF.
#include "reference/formats.h"
#include "reference/formats/f32.h"

namespace reference {
namespace {

void decode_q4_0_2023(const uint8_t* block, double* out) {
  const double d = float_at(block);
  for (int i = 0; i < 16; ++i) {
    out[2 * i] = d * ((block[4 + i] & 15) - 8);
    out[2 * i + 1] = d * ((block[4 + i] >> 4) - 8);
  }
}

}  // namespace

Format q4_0_2023_format() { return {65536 + 2, "Q4_0_2023", 32, 20, Activations::q8_0, decode_q4_0_2023}; }

}  // namespace reference
