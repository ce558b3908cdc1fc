#include <cfloat>
#include <cmath>

#include "harness/check/trial.h"
#include "kernels/residual_ffn_f32/kernel.h"
#include "reference/residual_ffn_f32.h"

namespace assay {
namespace {

class ResidualFfnF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "z=a", "z=b", "z=w"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<residual_ffn_f32_fn>();
    const auto a = c.input<float>("a", n);
    const auto b = c.input<float>("b", n);
    const auto w = c.input<float>("w", n);
    auto* z = c.output<float>("z", n, c.alias() == 1 ? &a : c.alias() == 2 ? &b : c.alias() == 3 ? &w : nullptr);
    c.call(kernel, z, a.data, b.data, w.data, n);
    if (c.timing()) {
      return;
    }
    for (size_t i = 0; i < n; ++i) {
      const reference::ResidualFfn want = reference::residual_ffn_f32(a.ref[i], b.ref[i], w.ref[i]);
      const double bound =
          c.exact_inputs() ? 0 : 0x1p-24 * (want.sum_abs + std::fabs(want.value)) * (1 + 0x1p-22) + 0x1p-149;
      if (a.ref[i] == 0 && b.ref[i] == 0 && std::isfinite(w.ref[i])) {
        c.expect_bits("z", i, z[i], static_cast<float>(want.value));
      }
      c.expect("z", i, z[i], {want.value, bound, want.spread > FLT_MAX});
    }
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 16);
  }

  Shape large_shape() const override { return {(size_t{1} << 29) + 133}; }

  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {3 * n, 12 * n, 4 * n};
  }
};

}  // namespace

extern const Trial& residual_ffn_f32_trial();
const Trial& residual_ffn_f32_trial() {
  static const ResidualFfnF32Trial trial;
  return trial;
}

}  // namespace assay
