#include "harness/check/trial.h"
#include "harness/check/norms.h"
#include "kernels/add_layer_norm_f32/kernel.h"

namespace assay {
namespace {

class AddLayerNormF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "sum=x", "sum=residual"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<add_layer_norm_f32_fn>();
    const float eps = c.timing() ? 1e-5f : draw_epsilon(c.rng());
    // Half the time the weights are ordinary whatever x is: subnormal x times subnormal w would show nothing.
    const InputClass other = c.timing() || c.rng().below(2) == 0 ? c.input_class() : InputClass::normal;
    const auto fill_other = [&](std::span<float> v, Rng& rng) { fill_class(v, other, rng); };
    const auto x = c.input<float>("x", n);
    const auto residual = c.input<float>("residual", n);
    const auto w = c.input<float>("w", n, fill_other);
    const auto b = c.input<float>("b", n, fill_other);
    auto* y = c.output<float>("y", n);
    auto* sum = c.output<float>("sum", n, c.alias() == 1 ? &x : c.alias() == 2 ? &residual : nullptr);
    const add_layer_norm_f32_args args = {y, sum, x.data, residual.data, w.data, b.data, n, eps};
    c.call(kernel, c.arguments(args));
    if (c.timing()) {
      return;
    }
    const std::vector<float> row = judge_sum(c, sum, x.ref, residual.ref, n);
    judge_layer_norm(c, y, row.data(), w.ref, b.ref, eps, n);
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 24);
  }

  // A sum; what layer_norm_f32 needs.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {9 * n, 16 * n, 8 * n};
  }
};

}  // namespace

extern const Trial& add_layer_norm_f32_trial();
const Trial& add_layer_norm_f32_trial() {
  static const AddLayerNormF32Trial trial;
  return trial;
}

}  // namespace assay
