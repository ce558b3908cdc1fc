// Q2_0 (ggml's block_q2_0): d in F16, then 16 bytes of four codes, the lowest bits first. A weight is d * (code - 1).
#include "reference/formats.h"
#include "reference/formats/f16.h"

namespace reference {
namespace {

void decode_q2_0(const uint8_t* block, double* out) {
  const double d = half_at(block);
  for (int i = 0; i < 64; ++i) {
    const int code = block[2 + i / 4] >> (i % 4 * 2) & 3;
    out[i] = d * (code - 1);
  }
}

}  // namespace

Format q2_0_format() { return {42, "Q2_0", 64, 18, Activations::q8_0, decode_q2_0}; }

}  // namespace reference
