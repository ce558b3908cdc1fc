// PQ2_0 (PrismML): d in F16, then 32 bytes of four codes.
#include "reference/formats.h"
#include "reference/formats/two_bits.h"

namespace reference {

Format pq2_0_format() { return {142, "PQ2_0", 128, 34, Activations::q8_0, decode_two_bits<128>}; }

}  // namespace reference
