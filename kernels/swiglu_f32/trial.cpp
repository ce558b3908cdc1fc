#include "harness/check/gated_trial.h"
#include "kernels/swiglu_f32/kernel.h"
#include "reference/silu_f32.h"

namespace assay {
namespace {

// Where the activation or the method changes: the fall to subnormals and -0 and all of the slope to it; arguments around 0; where
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

extern const Trial& swiglu_f32_trial();
const Trial& swiglu_f32_trial() {
  // SiLU (17) and a product.
  static const GatedTrial trial({reference::silu_f32, 4, 18, interesting});
  return trial;
}

}  // namespace assay
