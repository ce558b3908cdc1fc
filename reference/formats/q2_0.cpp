// Q2_0 (ggml's block_q2_0): d in F16, then 16 bytes of four codes.
#include "reference/formats.h"
#include "reference/formats/two_bits.h"

namespace reference {

Format q2_0_format() { return {42, "Q2_0", 64, 18, Activations::q8_0, decode_two_bits<64>}; }

}  // namespace reference
