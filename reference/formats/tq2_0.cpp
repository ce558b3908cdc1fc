// TQ2_0 (ggml's block_tq2_0): 64 bytes of four codes, then d in F16. Two halves of 32 bytes hold 128 weights each: bits 2 n and 2 n + 1 of
// byte i are weight 32 n + i of the half. A weight is d * (code - 1).
#include "reference/formats.h"
#include "reference/formats/f16.h"

namespace reference {
namespace {

void decode_tq2_0(const uint8_t* block, double* out) {
  const double d = half_at(block + 64);
  for (int i = 0; i < 256; ++i) {
    const int code = block[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    out[i] = d * (code - 1);
  }
}

}  // namespace

Format tq2_0_format() { return {35, "TQ2_0", 256, 66, Activations::q8_k, decode_tq2_0}; }

}  // namespace reference
