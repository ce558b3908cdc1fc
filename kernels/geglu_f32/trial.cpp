#include "harness/check/gated_trial.h"
#include "kernels/geglu_f32/kernel.h"
#include "reference/gelu_f32.h"

namespace assay {
namespace {

// Where the activation or the method changes: the fall to subnormals and -0 and all of the slope to it, where the result
// hangs on the last bits of z; arguments around 0; and where 1 + exp(-2z) becomes 1.
float interesting(Rng& rng) {
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

}  // namespace

extern const Trial& geglu_f32_trial();
const Trial& geglu_f32_trial() {
  // GELU (20) and a product.
  static const GatedTrial trial({reference::gelu_f32, 4, 21, interesting});
  return trial;
}

}  // namespace assay
