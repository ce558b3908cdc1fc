#include "harness/check/trial.h"
#include "harness/check/norms.h"
#include "kernels/rms_norm_f32/kernel.h"

namespace assay {
namespace {

class RmsNormF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "y=x"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<rms_norm_f32_fn>();
    const float epsilon = c.timing() ? 1e-5f : draw_epsilon(c.rng());
    // Half the time the weights are ordinary whatever x is: subnormal x times subnormal w would show nothing.
    const InputClass other = c.timing() || c.rng().below(2) == 0 ? c.input_class() : InputClass::normal;
    const auto x = c.input<float>("x", n);
    const auto w = c.input<float>("w", n, [&](std::span<float> v, Rng& rng) { fill_class(v, other, rng); });
    auto* y = c.output<float>("y", n, c.alias() == 1 ? &x : nullptr);
    c.call(kernel, y, x.data, w.data, epsilon, n);
    if (c.timing()) {
      return;
    }
    judge_rms_norm(c, y, x.ref, w.ref, epsilon, n);
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 12);
  }

  // Product and sum for the mean square, two products for the result.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {4 * n, 8 * n, 4 * n};
  }
};

}  // namespace

extern const Trial& rms_norm_f32_trial();
const Trial& rms_norm_f32_trial() {
  static const RmsNormF32Trial trial;
  return trial;
}

}  // namespace assay
