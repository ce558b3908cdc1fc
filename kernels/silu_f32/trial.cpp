#include "harness/check/unary_trial.h"
#include "kernels/silu_f32/kernel.h"
#include "reference/silu_f32.h"

namespace assay {
namespace {

// Where the result or the method changes: the fall to subnormals and -0 and all of the slope to it; arguments around 0; where
// 1 + exp(-x) would overflow, and where it becomes 1.
float interesting(Rng& rng) {
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

}  // namespace

extern const Trial& silu_f32_trial();
const Trial& silu_f32_trial() {
  // The exponent's product (1), 2^f by a polynomial of degree 6 (13) and 2^n (1), a sum, a quotient.
  static const UnaryTrial trial({reference::silu_f32, 3, 17, interesting});
  return trial;
}

}  // namespace assay
