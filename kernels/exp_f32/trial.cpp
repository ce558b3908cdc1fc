#include "harness/check/unary_trial.h"
#include "kernels/exp_f32/kernel.h"
#include "reference/exp_f32.h"

namespace assay {
namespace {

// Where the result, its exponent or the method changes: overflow, the last normal result, the smallest subnormal and 0,
// and arguments around 0.
float interesting(Rng& rng) {
  constexpr float kCenters[] = {88.722839f, -87.336545f, -103.27893f, -103.97208f, 0.0f};
  switch (rng.below(4)) {
    case 0:
      return kCenters[rng.below(5)] + (rng.uniform() - 0.5f) * 0x1p-8f;
    case 1:
      return kCenters[rng.below(5)] + (rng.uniform() - 0.5f) * 4;
    case 2:
      return (rng.uniform() - 0.5f) * 220;
    default:
      return rng.with_exponent(100, 134);  // to +-2^8
  }
}

class ExpF32Trial : public UnaryTrial {
 public:
  // Range reduction (one product, two fused), a polynomial of degree 6 and a scaling: 1 + 4 + 12 + 1.
  ExpF32Trial() : UnaryTrial({reference::exp_f32, 1, 18, interesting}) {}

 private:
  bool is_exact(float x) const override { return x == 0; }
};

}  // namespace

extern const Trial& exp_f32_trial();
const Trial& exp_f32_trial() {
  static const ExpF32Trial trial;
  return trial;
}

}  // namespace assay
