#include "harness/check/trial.h"
#include "kernels/add_f32/kernel.h"
#include "reference/add_f32.h"

namespace assay {
namespace {

class AddF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "z=x", "z=y", "z=x=y"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<add_f32_fn>();
    const auto x = c.input<float>("x", n);
    const auto other = c.input<float>("y", n);
    const auto& y = c.alias() == 3 ? x : other;
    auto* z = c.output<float>("z", n, c.alias() % 2 == 1 ? &x : c.alias() == 2 ? &y : nullptr);
    c.call(kernel, z, x.data, y.data, n);
    if (c.timing()) {
      return;
    }
    for (size_t i = 0; i < n; ++i) {
      c.expect_bits("z", i, z[i], reference::add_f32(x.ref[i], y.ref[i]));
    }
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 12);
  }

  Shape large_shape() const override { return {(size_t{1} << 29) + 133}; }

  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {n, 8 * n, 4 * n};
  }
};

}  // namespace

extern const Trial& add_f32_trial();
const Trial& add_f32_trial() {
  static const AddF32Trial trial;
  return trial;
}

}  // namespace assay
