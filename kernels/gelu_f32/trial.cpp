#include "harness/check/unary_trial.h"
#include "kernels/gelu_f32/kernel.h"
#include "reference/gelu_f32.h"

namespace assay {
namespace {

// Where the result or the method changes: the fall to subnormals and -0 and all of the slope to it, where the result
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

extern const Trial& gelu_f32_trial();
const Trial& gelu_f32_trial() {
  // The exponent's polynomial a x + b x^3 (4), 2^f by a polynomial of degree 6 (13) and 2^n (1), a sum, a quotient.
  static const UnaryTrial trial({reference::gelu_f32, 3, 20, interesting});
  return trial;
}

}  // namespace assay
