#include "harness/check/activation_inputs.h"

namespace assay {

// Where the result or the method changes: the fall to subnormals and -0 and all of the slope to it, where the result
// hangs on the last bits of z; arguments around 0; and where 1 + exp(-2z) becomes 1.
float near_gelu(Rng& rng) {
  switch (rng.below(5)) {
    case 0:
      return -10.0f - rng.uniform();  // subnormal results begin at -10.10, -0 at -10.77
    case 1:
      return -5.0f - 8.5f * rng.uniform();
    case 2:
      return -8.0f + (rng.uniform() - 0.5f) * 0x1p-8f;
    case 3:
      return (rng.uniform() - 0.5f) * 20;
    default:
      return rng.with_exponent(90, 131);  // to +-2^5
  }
}

// Where the result or the method changes: the fall to subnormals and -0 and all of the slope to it; arguments around 0; where
// 1 + exp(-x) would overflow, and where it becomes 1.
float near_silu(Rng& rng) {
  switch (rng.below(6)) {
    case 0:
      return -87.0f - 23 * rng.uniform();  // subnormal results begin at -91.9, -0 at -108.7
    case 1:
      return -110 * rng.uniform();
    case 2:
      return -8.0f + (rng.uniform() - 0.5f) * 0x1p-8f;
    case 3:
      return -88.72284f + (rng.uniform() - 0.5f) * 0x1p-8f;
    case 4:
      return (rng.uniform() - 0.5f) * 40;
    default:
      return rng.with_exponent(90, 134);  // to +-2^8
  }
}

}  // namespace assay
