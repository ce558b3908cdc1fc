#include "harness/check/trial.h"
#include "kernels/relu2_glu_f32/kernel.h"
#include "reference/relu2_glu_f32.h"

namespace assay {
namespace {

class Relu2GluF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "z=gate", "z=up"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<relu2_glu_f32_fn>();
    const auto gate = c.input<float>("gate", n);
    const auto up = c.input<float>("up", n);
    auto* z = c.output<float>("z", n, c.alias() == 1 ? &gate : c.alias() == 2 ? &up : nullptr);
    c.call(kernel, z, gate.data, up.data, n);
    if (c.timing()) {
      return;
    }
    for (size_t i = 0; i < n; ++i) {
      c.expect_bits("z", i, z[i], reference::relu2_glu_f32(gate.ref[i], up.ref[i]));
    }
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 12);
  }

  Shape large_shape() const override { return {(size_t{1} << 29) + 133}; }

  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {3 * n, 8 * n, 4 * n};
  }
};

}  // namespace

extern const Trial& relu2_glu_f32_trial();
const Trial& relu2_glu_f32_trial() {
  static const Relu2GluF32Trial trial;
  return trial;
}

}  // namespace assay
