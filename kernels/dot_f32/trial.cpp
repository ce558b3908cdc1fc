#include <cfloat>
#include <cmath>

#include "harness/check/trial.h"
#include "kernels/dot_f32/kernel.h"
#include "reference/dot_f32.h"

namespace assay {
namespace {

class DotTrial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "y=x"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* dot = c.fn<dot_f32_fn>();
    const auto x = c.input<float>("x", n);
    const auto y = c.alias() == 1 ? x : c.input<float>("y", n, [&](std::span<float> v, Rng& rng) {
      fill_factors(v, c.input_class(), rng);
    });
    const float got = c.call(dot, x.data, y.data, n);
    if (c.timing()) {
      return;
    }
    const reference::Dot want = reference::dot_f32(x.ref, y.ref, n);
    const double terms = static_cast<double>(n);
    const double bound = c.exact_inputs() ? 0 : (std::ceil(terms / 16) + 7) * 0x1p-24 * want.sum_abs + terms * 0x1p-149;
    c.expect("dot", 0, got, {want.sum, bound, want.sum_abs * (1 + terms * 0x1p-24) > FLT_MAX});
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 8);
  }

  Shape large_shape() const override { return {(size_t{1} << 29) + 133}; }

  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {2 * n, 8 * n, 0};
  }
};

}  // namespace

extern const Trial& dot_f32_trial();
const Trial& dot_f32_trial() {
  static const DotTrial trial;
  return trial;
}

}  // namespace assay
