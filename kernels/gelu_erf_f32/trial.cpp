#include "harness/check/unary_trial.h"
#include "kernels/gelu_erf_f32/kernel.h"
#include "reference/gelu_erf_f32.h"

namespace assay {
namespace {

// Where the result or the method changes: the fall to subnormals and -0 and all of the slope to it, where the result
// hangs on the last bits of the square; arguments around 0; and where Phi becomes 1.
float interesting(Rng& rng) {
  switch (rng.below(5)) {
    case 0:
      return -12.8f - 2 * rng.uniform();  // subnormal results begin at -12.9, -0 at -14.1
    case 1:
      return -5.0f - 10 * rng.uniform();
    case 2:
      return (rng.uniform() - 0.5f) * 0x1p-6f;
    case 3:
      return (rng.uniform() - 0.5f) * 20;
    default:
      return rng.with_exponent(90, 131);  // to +-2^5
  }
}

}  // namespace

extern const Trial& gelu_erf_f32_trial();
const Trial& gelu_erf_f32_trial() {
  // The square (1), 2^f by a polynomial of degree 6 (13) and 2^n (1), a sum, a quotient, P (21), and 7 to put them together.
  static const UnaryTrial trial({reference::gelu_erf_f32, 7, 45, interesting});
  return trial;
}

}  // namespace assay
