// TQ1_0 (ggml's block_tq1_0): 52 bytes of trits, then d in F16. A byte b stands for the number floor(243 b / 256) of five digits to the
// base of 3, the most significant the first; a weight is d * (digit - 1). Bytes 0 to 31: digit n of byte i is weight 32 n + i; 32 to
// 47: weight 160 + 16 n + i; 48 to 51, of four digits: weight 240 + 4 n + i.
#include "reference/formats.h"
#include "reference/formats/f16.h"

namespace reference {
namespace {

int digit(uint8_t byte, int n) {
  constexpr int kPowers[5] = {81, 27, 9, 3, 1};
  return byte * 243 / 256 / kPowers[n] % 3;
}

void decode_tq1_0(const uint8_t* block, double* out) {
  const double d = half_at(block + 52);
  for (int w = 0; w < 256; ++w) {
    const int t = w < 160   ? digit(block[w % 32], w / 32)
                  : w < 240 ? digit(block[32 + w % 16], (w - 160) / 16)
                            : digit(block[48 + w % 4], (w - 240) / 4);
    out[w] = d * (t - 1);
  }
}

}  // namespace

Format tq1_0_format() { return {34, "TQ1_0", 256, 54, Activations::q8_k, decode_tq1_0}; }

}  // namespace reference
