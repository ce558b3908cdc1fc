#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>

#include "harness/check/trial.h"
#include "kernels/rms_norm_f32/kernel.h"
#include "reference/rms_norm_f32.h"

namespace assay {
namespace {

class RmsNormF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "y=x"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<rms_norm_f32_fn>();
    const float epsilon = c.timing() ? 1e-5f : draw_eps(c.rng());
    // Half the time the weights are ordinary whatever x is: subnormal x times subnormal w would show nothing.
    const InputClass other = c.timing() || c.rng().below(2) == 0 ? c.input_class() : InputClass::normal;
    const auto x = c.input<float>("x", n);
    const auto w = c.input<float>("w", n, [&](std::span<float> v, Rng& rng) { fill_class(v, other, rng); });
    auto* y = c.output<float>("y", n, c.alias() == 1 ? &x : nullptr);
    c.call(kernel, y, x.data, w.data, epsilon, n);
    if (c.timing()) {
      return;
    }
    std::vector<double> want(n);
    const double mean_square = reference::rms_norm_f32(want.data(), x.ref, w.ref, epsilon, n);
    const double eps = static_cast<double>(epsilon);
    const double t = mean_square + eps;
    const double terms = std::ceil(static_cast<double>(n) / 16) + 5;
    const double h = 0x1p-24 * (terms / 2 + 6);
    const double e = std::sqrt(t / std::max(eps, t - 0x1p-149)) - 1;
    const double largest = std::max(mean_square * static_cast<double>(n), t) * (1 + terms * 0x1p-24);
    for (size_t i = 0; i < n; ++i) {
      const double abs_w = std::fabs(static_cast<double>(w.ref[i]));
      if (!std::isnan(y[i]) && !std::isnan(want[i])) {
        c.expect_equal("sign of y", i, std::signbit(y[i]), std::signbit(x.ref[i]) != std::signbit(w.ref[i]));
      }
      if (std::isinf(mean_square)) {  // an Inf in x, no NaN: want is exact, 0 or NaN
        c.expect("y", i, y[i], {want[i], 0});
        continue;
      }
      if (largest > FLT_MAX && (y[i] == 0 || (std::isnan(y[i]) && std::isinf(abs_w)))) {
        continue;
      }
      if (std::isinf(abs_w) && std::isnan(y[i]) && std::fabs(static_cast<double>(x.ref[i])) / std::sqrt(t) < 0x1p-148) {
        continue;
      }
      c.expect("y", i, y[i], {want[i], std::fabs(want[i]) * (h * (1 + e) + e) + (1 + abs_w) * 0x1p-149});
    }
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 12);
  }

  // Product and sum for the mean square, two products for the result.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {4 * n, 8 * n, 4 * n};
  }

 private:
  static float draw_eps(Rng& rng) {
    constexpr std::array<float, 8> kEps = {1e-6f, 1e-12f, 1.0f, FLT_MIN, FLT_TRUE_MIN, 3e-40f, 1e10f, FLT_MAX};
    const uint64_t r = rng.below(16);
    return r < kEps.size() ? kEps[r] : 1e-5f;
  }
};

}  // namespace

extern const Trial& rms_norm_f32_trial();
const Trial& rms_norm_f32_trial() {
  static const RmsNormF32Trial trial;
  return trial;
}

}  // namespace assay
