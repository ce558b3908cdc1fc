// IQ4_XS (ggml's block_iq4_xs): d in F16, 2 bytes of the two upper bits of eight scales, 4 bytes of their lower four, 128 bytes of codes: of
// each 32 weights 16 bytes as IQ4_NL has them. A weight is d * (scale - 32) times one of 16 values.
#include "reference/formats.h"
#include "reference/formats/f16.h"
#include "reference/formats/iq4_values.h"

namespace reference {
namespace {

void decode_iq4_xs(const uint8_t* block, double* out) {
  const double d = half_at(block);
  for (int i = 0; i < 256; ++i) {
    const int g = i / 32;
    const int low = block[4 + g / 2] >> (g % 2 * 4) & 15;
    const int high = block[2 + g / 4] >> (g % 4 * 2) & 3;
    const int code = block[8 + 16 * g + i % 16] >> (i % 32 / 16 * 4) & 15;
    out[i] = d * (low + 16 * high - 32) * kIq4Values[code];
  }
}

}  // namespace

Format iq4_xs_format() { return {23, "IQ4_XS", 256, 136, Activations::q8_k, decode_iq4_xs}; }

}  // namespace reference
