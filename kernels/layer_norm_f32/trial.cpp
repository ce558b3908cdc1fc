#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>

#include "harness/check/trial.h"
#include "kernels/layer_norm_f32/kernel.h"
#include "reference/layer_norm_f32.h"

namespace assay {
namespace {

constexpr double kU = 0x1p-24;

// The terms of the bound in kernel.h that are the same for the whole row.
struct RowBound {
  RowBound(const reference::LayerNormRow& row, float epsilon, size_t n) : mean(row.mean) {
    const double c = std::ceil(static_cast<double>(n) / 16) + 8;
    const double count = static_cast<double>(n);
    const double eps = static_cast<double>(epsilon);
    const double v = row.variance;
    const double t = v + eps;
    dm = c * kU * row.mean_abs + 0x1p-149;
    const double dl = (c + 6) * kU * v + 0x1p-149;
    const double dh = dl + 2 * dm * dm;
    s = std::sqrt(t);
    s_high = std::sqrt(t + dh);
    g = std::max(std::sqrt(t / std::max(eps, t - dl)) - 1, 1 - s / s_high) + 6 * kU;
    out_of_range = count * row.mean_abs * (1 + c * kU) > FLT_MAX ||
                   count * (v + dm * dm) * (1 + (c + 6) * kU) > FLT_MAX || t * (1 + (c + 6) * kU) > FLT_MAX;
  }

  double mean, dm, s, s_high, g;
  bool out_of_range;
};

class LayerNormF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "y=x"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<layer_norm_f32_fn>();
    const float eps = c.timing() ? 1e-5f : draw_eps(c.rng());
    // Half the time the weights are ordinary whatever x is: subnormal x times subnormal w would show nothing.
    const InputClass other = c.timing() || c.rng().below(2) == 0 ? c.input_class() : InputClass::normal;
    const auto fill_other = [&](std::span<float> v, Rng& rng) { fill_class(v, other, rng); };
    const auto x = c.input<float>("x", n, [&](std::span<float> v, Rng& rng) { fill_x(v, c.input_class(), rng); });
    const auto w = c.input<float>("w", n, fill_other);
    const auto b = c.input<float>("b", n, fill_other);
    auto* y = c.output<float>("y", n, c.alias() == 1 ? &x : nullptr);
    c.call(kernel, y, x.data, w.data, b.data, eps, n);
    if (c.timing()) {
      return;
    }
    std::vector<double> want(n);
    const RowBound row(reference::layer_norm_f32(want.data(), x.ref, w.ref, b.ref, eps, n), eps, n);
    for (size_t i = 0; i < n; ++i) {
      if (row.out_of_range && (std::isnan(y[i]) || y[i] == b.ref[i])) {
        continue;
      }
      c.expect("y", i, y[i], expected(row, x.ref[i], w.ref[i], b.ref[i], want[i]));
    }
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 16);
  }

  // One addition for the mean; subtraction, product and sum for the variance; subtraction, two products and a sum.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {8 * n, 12 * n, 4 * n};
  }

 private:
  static float draw_eps(Rng& rng) {
    constexpr std::array<float, 8> kEps = {1e-6f, 1e-12f, 1.0f, FLT_MIN, FLT_TRUE_MIN, 3e-40f, 1e10f, FLT_MAX};
    const uint64_t r = rng.below(16);
    return r < kEps.size() ? kEps[r] : 1e-5f;
  }

  // The class, but half of `cancellation` has a mean that is large for the variance: what E[x^2] - m^2 gets wrong.
  static void fill_x(std::span<float> x, InputClass input_class, Rng& rng) {
    if (input_class != InputClass::cancellation || rng.below(2) == 0) {
      fill_class(x, input_class, rng);
      return;
    }
    const float base = std::ldexp(1.0f + rng.uniform(), static_cast<int>(rng.between(0, 20)));
    const float spread = std::ldexp(base, -static_cast<int>(rng.between(1, 23)));
    for (float& v : x) {
      v = base + spread * rng.normal();
    }
  }

  static Expected expected(const RowBound& row, float x, float w, float b, double want) {
    const double d = std::fabs(static_cast<double>(x) - row.mean);
    if (std::isinf(w) && !std::isnan(d) && (d <= row.dm || d / row.s_high < 0x1p-148)) {
      return {std::nan(""), 0, true};
    }
    const double abs_w = std::fabs(static_cast<double>(w));
    const double abs_b = std::fabs(static_cast<double>(b));
    const double error = (row.dm + 2 * kU * d + d * row.g) * (1 + row.g);
    const double bound = abs_w / row.s * error + 3 * kU * (std::fabs(want) + abs_b) + (1 + abs_w) * 0x1p-149;
    return {want, bound, abs_w / row.s * (d + error) > FLT_MAX && !std::isinf(w)};
  }
};

}  // namespace

extern const Trial& layer_norm_f32_trial();
const Trial& layer_norm_f32_trial() {
  static const LayerNormF32Trial trial;
  return trial;
}

}  // namespace assay
