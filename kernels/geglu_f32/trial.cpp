#include "harness/check/activation_inputs.h"
#include "harness/check/gated_trial.h"
#include "kernels/geglu_f32/kernel.h"
#include "reference/gelu_f32.h"

namespace assay {

extern const Trial& geglu_f32_trial();
const Trial& geglu_f32_trial() {
  // GELU (20) and a product.
  static const GatedTrial trial({reference::gelu_f32, 4, 21, near_gelu});
  return trial;
}

}  // namespace assay
