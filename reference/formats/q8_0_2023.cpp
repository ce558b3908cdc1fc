// Q8_0 of ggml's files of April and May 2023: 32 weights in 36 bytes, a scale d in F32 and 32 signed bytes q. A weight is d * q. Its type is
// 8 in those files, and none in GGUF.
#include "reference/formats.h"
#include "reference/formats/f32.h"

namespace reference {
namespace {

void decode_q8_0_2023(const uint8_t* block, double* out) {
  const double d = float_at(block);
  for (int i = 0; i < 32; ++i) {
    const int byte = block[4 + i];
    const int q = byte < 128 ? byte : byte - 256;
    out[i] = d * q;
  }
}

}  // namespace

Format q8_0_2023_format() { return {65536 + 8, "Q8_0_2023", 32, 36, Activations::q8_0, decode_q8_0_2023}; }

}  // namespace reference
