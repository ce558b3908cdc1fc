// Q8_0 (ggml's block_q8_0): 32 weights in 34 bytes, a scale d in F16 and 32 signed bytes q. A weight is d * q.
#include "reference/formats.h"
#include "reference/formats/f16.h"

namespace reference {
namespace {

void decode_q8_0(const uint8_t* block, double* out) {
  const double d = half_at(block);
  for (int i = 0; i < 32; ++i) {
    const int byte = block[2 + i];
    const int q = byte < 128 ? byte : byte - 256;
    out[i] = d * q;
  }
}

}  // namespace

Format q8_0_format() { return {8, "Q8_0", 32, 34, Activations::q8_0, decode_q8_0}; }

}  // namespace reference
