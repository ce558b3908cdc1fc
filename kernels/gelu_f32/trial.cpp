#include <cmath>

#include "harness/check/trial.h"
#include "kernels/gelu_f32/kernel.h"
#include "reference/gelu_f32.h"

namespace assay {
namespace {

constexpr double kUlpLimit = 3;

// Where the result or the method changes: the fall to subnormals and -0 and all of the slope to it, where the result
// hangs on the last bits of z; arguments around 0; and where 1 + exp(-2z) becomes 1.
float interesting(Rng& rng) {
  switch (rng.below(5)) {
    case 0:
      return -10.0f - rng.uniform();  // subnormal results begin at -10.10, -0 at -10.77
    case 1:
      return -5.0f - 8.5f * rng.uniform();
    case 2:
      return -8.0f + (rng.uniform() - 0.5f) * 0x1p-8f;
    case 3:
      return (rng.uniform() - 0.5f) * 20;
    default:
      return rng.with_exponent(90, 131);  // to +-2^5
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

class GeluF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "y=x"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<gelu_f32_fn>();
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

  /// The exponent's polynomial a x + b x^3 (4), 2^f by a polynomial of degree 6 (13) and 2^n (1), a sum, a quotient.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {20 * n, 4 * n, 4 * n};
  }

  double (*unary_reference() const)(double) override { return reference::gelu_f32; }
  double unary_ulp_limit() const override { return kUlpLimit; }

 private:
  static void judge(Case& c, size_t i, float x, float got) {
    const double want = reference::gelu_f32(static_cast<double>(x));
    if (std::isnan(want)) {
      c.expect("y", i, got, {want, 0});
    } else if (std::fabs(want) < 0x1p-150 || std::isinf(want)) {
      c.expect_bits("y", i, got, static_cast<float>(want));
    } else {
      c.expect("y", i, got, {want, kUlpLimit * float_ulp(want)});
      c.expect_equal("sign of y", i, std::signbit(got), std::signbit(want));
    }
  }
};

}  // namespace

extern const Trial& gelu_f32_trial();
const Trial& gelu_f32_trial() {
  static const GeluF32Trial trial;
  return trial;
}

}  // namespace assay
