#include "harness/check/activation_inputs.h"
#include "harness/check/unary_trial.h"
#include "kernels/silu_f32/kernel.h"
#include "reference/silu_f32.h"

namespace assay {

extern const Trial& silu_f32_trial();
const Trial& silu_f32_trial() {
  // The exponent's product (1), 2^f by a polynomial of degree 6 (13) and 2^n (1), a sum, a quotient.
  static const UnaryTrial trial({reference::silu_f32, 3, 17, near_silu});
  return trial;
}

}  // namespace assay
