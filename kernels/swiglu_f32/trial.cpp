#include "harness/check/activation_inputs.h"
#include "harness/check/gated_trial.h"
#include "kernels/swiglu_f32/kernel.h"
#include "reference/silu_f32.h"

namespace assay {

extern const Trial& swiglu_f32_trial();
const Trial& swiglu_f32_trial() {
  // SiLU (17) and a product.
  static const GatedTrial trial({reference::silu_f32, 4, 18, near_silu});
  return trial;
}

}  // namespace assay
