#include "harness/check/trial.h"
#include "kernels/scale_f32/kernel.h"
#include "reference/mul_f32.h"

namespace assay {
namespace {

class ScaleF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "y=x"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<scale_f32_fn>();
    float s = 0.5f;
    if (!c.timing()) {
      fill_class(std::span(&s, 1), c.input_class(), c.rng());
    }
    const auto x = c.input<float>("x", n);
    auto* y = c.output<float>("y", n, c.alias() == 1 ? &x : nullptr);
    c.call(kernel, y, x.data, s, n);
    if (c.timing()) {
      return;
    }
    for (size_t i = 0; i < n; ++i) {
      c.expect_bits("y", i, y[i], reference::mul_f32(s, x.ref[i]));
    }
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 8);
  }

  Shape large_shape() const override { return {(size_t{1} << 29) + 133}; }

  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {n, 4 * n, 4 * n};
  }
};

}  // namespace

extern const Trial& scale_f32_trial();
const Trial& scale_f32_trial() {
  static const ScaleF32Trial trial;
  return trial;
}

}  // namespace assay
