// Q6_K (ggml's block_q6_K): 128 bytes of the four lower bits of codes, 64 bytes of the two upper ones as TQ2_0 has them, 16 signed scales, d
// in F16. Of 128 weights the lower bits are in 64 bytes: their low halves are the first 64, their high halves the others. A weight is
// d * scale * (code - 32).
#include "reference/formats.h"
#include "reference/formats/f16.h"

namespace reference {
namespace {

void decode_q6_k(const uint8_t* block, double* out) {
  const double d = half_at(block + 208);
  for (int i = 0; i < 256; ++i) {
    const int low = block[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4) & 15;
    const int high = block[128 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
    out[i] = d * static_cast<int8_t>(block[192 + i / 16]) * (low + 16 * high - 32);
  }
}

}  // namespace

Format q6_k_format() { return {14, "Q6_K", 256, 210, Activations::q8_k, decode_q6_k}; }

}  // namespace reference
