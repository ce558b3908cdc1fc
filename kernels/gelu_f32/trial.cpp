#include "harness/check/activation_inputs.h"
#include "harness/check/unary_trial.h"
#include "kernels/gelu_f32/kernel.h"
#include "reference/gelu_f32.h"

namespace assay {

extern const Trial& gelu_f32_trial();
const Trial& gelu_f32_trial() {
  // The exponent's polynomial a x + b x^3 (4), 2^f by a polynomial of degree 6 (13) and 2^n (1), a sum, a quotient.
  static const UnaryTrial trial({reference::gelu_f32, 3, 20, near_gelu});
  return trial;
}

}  // namespace assay
