#include "harness/check/trial.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#include "kernels/softmax_f32/kernel.h"
#include "reference/softmax_f32.h"

namespace assay {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// Masked rows, as causal attention has them: a few -Inf, nearly all, or all.
void mask_some(std::span<float> x, Rng& rng) {
  const uint64_t kept_in_8 = rng.below(9);
  for (float& v : x) {
    v = rng.below(8) < kept_in_8 ? v : -kInf;
  }
  if (kept_in_8 == 0 && !x.empty() && rng.below(2) == 0) {
    x[rng.below(x.size())] = rng.below(4) == 0 ? std::numeric_limits<float>::quiet_NaN() : rng.normal();
  }
}

// No element over 0, and a 0: where |t| and |max t| are small, the bound is narrow enough to show
// an error of exp.
void fill_below_zero(std::span<float> x, Rng& rng) {
  const auto range = static_cast<float>(1 << rng.below(5));
  for (float& v : x) {
    v = -range * rng.uniform();
  }
  if (!x.empty()) {
    x[rng.below(x.size())] = 0;
  }
}

// The largest |t| is what matters: usually moderate, so that weights are neither all equal nor all
// 0 but one; for subnormal x that takes a huge scale, for huge x a tiny one. Now and then up to the
// end of the domain.
float draw_scale(InputClass input_class, Rng& rng, const float* x, size_t n) {
  if (input_class == InputClass::absorbed || rng.below(4) == 0) {
    return 1;
  }
  double largest = 0x1p-149;
  for (size_t i = 0; i < n; ++i) {
    largest = std::isfinite(x[i]) ? std::max(largest, std::fabs(static_cast<double>(x[i]))) : largest;
  }
  const int exponent = static_cast<int>(rng.below(8) == 0 ? rng.between(-140, 126) : rng.between(-6, 9));
  const double target =
      std::min(std::ldexp(1.0 + static_cast<double>(rng.uniform()), exponent), FLT_MAX / 2 * (1 - 0x1p-22));
  return static_cast<float>(std::clamp(target / largest, 0x1p-149, static_cast<double>(FLT_MAX)));
}

bool in_domain(const float* x, float scale, size_t n) {
  return std::all_of(x, x + n, [&](float v) {
    return !std::isfinite(v) || std::fabs(static_cast<double>(scale) * static_cast<double>(v)) <= FLT_MAX / 2;
  });
}

class SoftmaxF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "y=x"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* softmax = c.fn<softmax_f32_fn>();
    const auto x = c.input<float>("x", n, [&](std::span<float> values, Rng& rng) {
      fill_class(values, c.input_class(), rng);
      if (c.input_class() == InputClass::special && rng.below(2) == 0) {
        fill_class(values, InputClass::normal, rng);
        mask_some(values, rng);
      }
      if (c.input_class() == InputClass::absorbed) {  // weights of 1 and of 2^-24, which their sum loses
        std::ranges::transform(values, values.begin(),
                               [](float v) { return std::fabs(v) == 1 ? 0.0f : -0x1.0a2b24p4f; });
      }
      if (c.input_class() == InputClass::normal && !c.timing() && rng.below(2) == 0) {
        fill_below_zero(values, rng);
      }
    });
    auto* y = c.output<float>("y", n, c.alias() == 1 ? &x : nullptr);
    float scale = c.timing() ? 1 : draw_scale(c.input_class(), c.rng(), x.ref, n);
    if (!c.timing() && !in_domain(x.ref, scale, n)) {
      scale = 0x1p-2f;  // of 1, with huge x
    }
    c.call(softmax, y, x.data, scale, n);
    if (c.timing()) {
      return;
    }
    const reference::SoftmaxRow row = reference::softmax_f32_row(x.ref, scale, n);
    const double base = 12 + std::ceil(static_cast<double>(n) / 16) + 2 * row.mean_moved;
    for (size_t i = 0; i < n; ++i) {
      const reference::Softmax want = reference::softmax_f32(x.ref[i], scale, row);
      if (x.ref[i] == -kInf && !row.nan) {
        c.expect_bits("y", i, y[i], 0.0f);
        continue;
      }
      // Where t is so large that its rounding alone changes weights by factors, in logarithms; y is
      // never over 1 + 2^-20.
      const double moved = 0x1p-24 * (base + want.moved);
      const double relative = moved < 1 ? want.value * std::expm1(moved) : std::exp(want.log_value + moved);
      const double bound = std::min(relative, 1 + 0x1p-20) + 4 * 0x1p-149;
      c.expect("y", i, y[i], {want.value, bound});
      if (!std::isnan(y[i])) {
        c.expect_equal("sign of y", i, std::signbit(y[i]), false);
      }
    }
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    auto classes = vector_shape_classes(caches, 8);
    classes.insert(classes.begin(), {"row-256", {256}});  // one row of attention scores
    return classes;
  }

  // Of the element: scale, difference, sum and quotient, and 21 for exp: 3 roundings to the integer
  // part, 4 of the reduction, 12 of the polynomial of degree 6, 2 scalings by powers of 2.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {25 * n, 4 * n, 4 * n};
  }
};

}  // namespace

extern const Trial& softmax_f32_trial();
const Trial& softmax_f32_trial() {
  static const SoftmaxF32Trial trial;
  return trial;
}

}  // namespace assay
