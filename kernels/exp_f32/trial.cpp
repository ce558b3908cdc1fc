#include <cfloat>
#include <cmath>

#include "harness/check/trial.h"
#include "kernels/exp_f32/kernel.h"
#include "reference/exp_f32.h"

namespace assay {
namespace {

constexpr double kUlpLimit = 1;

// Where the result, its exponent or the method changes: overflow, the last normal result, the smallest subnormal and 0,
// and arguments around 0.
float interesting(Rng& rng) {
  constexpr float kCenters[] = {88.722839f, -87.336545f, -103.27893f, -103.97208f, 0.0f};
  switch (rng.below(4)) {
    case 0:
      return kCenters[rng.below(5)] + (rng.uniform() - 0.5f) * 0x1p-8f;
    case 1:
      return kCenters[rng.below(5)] + (rng.uniform() - 0.5f) * 4;
    case 2:
      return (rng.uniform() - 0.5f) * 220;
    default:
      return rng.with_exponent(100, 134);  // to +-2^8
  }
}

// Random numbers of a class seldom meet the interesting ranges: some of the numbers of some classes, half or a few or
// none, are drawn from those. Few, as a variant may treat a whole vector in another way for one extreme number in it.
void mix_in(std::span<float> values, InputClass input_class, Rng& rng) {
  constexpr uint64_t kOneIn[] = {2, 50, 1u << 30};
  const uint64_t one_in = kOneIn[rng.below(3)];
  if (input_class != InputClass::normal && input_class != InputClass::wide && input_class != InputClass::special) {
    return;
  }
  for (float& value : values) {
    if (std::isfinite(value) && rng.below(one_in) == 0) {
      value = interesting(rng);
    }
  }
}

class ExpF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "y=x"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<exp_f32_fn>();
    const auto x = c.input<float>("x", n, [&](std::span<float> values, Rng& rng) {
      fill_class(values, c.input_class(), rng);
      if (!c.timing()) {
        mix_in(values, c.input_class(), rng);
      }
    });
    auto* y = c.output<float>("y", n, c.alias() == 1 ? &x : nullptr);
    c.call(kernel, y, x.data, n);
    if (c.timing()) {
      return;
    }
    for (size_t i = 0; i < n; ++i) {
      judge(c, i, x.ref[i], y[i]);
    }
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 8);
  }

  Shape large_shape() const override { return {(size_t{1} << 29) + 133}; }

  /// Range reduction (one product, two fused), a polynomial of degree 6 and a scaling: 1 + 4 + 12 + 1.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {18 * n, 4 * n, 4 * n};
  }

  double (*unary_reference() const)(double) override { return reference::exp_f32; }
  double unary_ulp_limit() const override { return kUlpLimit; }

 private:
  static void judge(Case& c, size_t i, float x, float got) {
    const double want = reference::exp_f32(static_cast<double>(x));
    if (std::isnan(want)) {
      c.expect("y", i, got, {want, 0});
    } else if (want > FLT_MAX) {
      c.expect_bits("y", i, got, HUGE_VALF);
    } else if (want < 0x1p-150 || x == 0) {
      c.expect_bits("y", i, got, x == 0 ? 1.0f : 0.0f);
    } else {
      c.expect("y", i, got, {want, kUlpLimit * float_ulp(want)});
      c.expect_equal("sign of y", i, std::signbit(got), false);
    }
  }
};

}  // namespace

extern const Trial& exp_f32_trial();
const Trial& exp_f32_trial() {
  static const ExpF32Trial trial;
  return trial;
}

}  // namespace assay
