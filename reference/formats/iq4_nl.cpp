// IQ4_NL (ggml's block_iq4_nl): d in F16, then 16 bytes: the low half of byte i is weight i, the high half weight i + 16. A weight is d times
// one of 16 values.
#include "reference/formats.h"
#include "reference/formats/f16.h"
#include "reference/formats/iq4_values.h"

namespace reference {
namespace {

void decode_iq4_nl(const uint8_t* block, double* out) {
  const double d = half_at(block);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * kIq4Values[block[2 + i] & 15];
    out[i + 16] = d * kIq4Values[block[2 + i] >> 4];
  }
}

}  // namespace

Format iq4_nl_format() { return {20, "IQ4_NL", 32, 18, Activations::q8_0, decode_iq4_nl}; }

}  // namespace reference
