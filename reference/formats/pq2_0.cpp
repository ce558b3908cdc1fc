// PQ2_0 (PrismML): d in F16, then 32 bytes of four codes, the lowest bits first. A weight is d * (code - 1).
#include "reference/formats.h"
#include "reference/formats/f16.h"

namespace reference {
namespace {

void decode_pq2_0(const uint8_t* block, double* out) {
  const double d = half_at(block);
  for (int i = 0; i < 128; ++i) {
    const int code = block[2 + i / 4] >> (i % 4 * 2) & 3;
    out[i] = d * (code - 1);
  }
}

}  // namespace

Format pq2_0_format() { return {142, "PQ2_0", 128, 34, Activations::q8_0, decode_pq2_0}; }

}  // namespace reference
