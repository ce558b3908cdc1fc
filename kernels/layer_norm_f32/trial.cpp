#include "harness/check/trial.h"
#include "harness/check/norms.h"
#include "kernels/layer_norm_f32/kernel.h"

namespace assay {
namespace {

class LayerNormF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "y=x"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<layer_norm_f32_fn>();
    const float eps = c.timing() ? 1e-5f : draw_epsilon(c.rng());
    // Half the time the weights are ordinary whatever x is: subnormal x times subnormal w would show nothing.
    const InputClass other = c.timing() || c.rng().below(2) == 0 ? c.input_class() : InputClass::normal;
    const auto fill_other = [&](std::span<float> v, Rng& rng) { fill_class(v, other, rng); };
    const auto x = c.input<float>("x", n, [&](std::span<float> v, Rng& rng) { fill_row(v, c.input_class(), rng); });
    const auto w = c.input<float>("w", n, fill_other);
    const auto b = c.input<float>("b", n, fill_other);
    auto* y = c.output<float>("y", n, c.alias() == 1 ? &x : nullptr);
    c.call(kernel, y, x.data, w.data, b.data, eps, n);
    if (c.timing()) {
      return;
    }
    judge_layer_norm(c, y, x.ref, w.ref, b.ref, eps, n);
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 16);
  }

  // One addition for the mean; subtraction, product and sum for the variance; subtraction, two products and a sum.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {8 * n, 12 * n, 4 * n};
  }
};

}  // namespace

extern const Trial& layer_norm_f32_trial();
const Trial& layer_norm_f32_trial() {
  static const LayerNormF32Trial trial;
  return trial;
}

}  // namespace assay
