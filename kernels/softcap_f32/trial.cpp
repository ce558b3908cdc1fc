#include <cmath>

#include "harness/check/trial.h"
#include "harness/check/unary_trial.h"
#include "kernels/softcap_f32/kernel.h"
#include "reference/softcap_f32.h"

namespace assay {
namespace {

constexpr double kUlpLimit = 7;

// Of c: what is taken for x itself, the slope, and where tanh becomes 1.
float interesting(Rng& rng) { return rng.below(2) == 0 ? (rng.uniform() - 0.5f) * 1000 : rng.with_exponent(90, 137); }

class SoftcapF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "y=x"}; }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<softcap_f32_fn>();
    float cap = 50;
    if (!c.timing() && c.rng().below(4) != 0) {
      cap = c.rng().below(2) == 0 ? 30 : std::ldexp(1 + c.rng().uniform(), static_cast<int>(c.rng().between(-10, 19)));
    }
    const auto x = c.input<float>("x", n, [&](std::span<float> values, Rng& rng) {
      fill_class(values, c.input_class(), rng);
      if (!c.timing()) {
        mix_in(values, c.input_class(), interesting, rng);
      }
    });
    auto* y = c.output<float>("y", n, c.alias() == 1 ? &x : nullptr);
    c.call(kernel, y, x.data, cap, n);
    if (c.timing()) {
      return;
    }
    for (size_t i = 0; i < n; ++i) {
      judge(c, i, x.ref[i], cap, y[i]);
    }
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 8);
  }

  Shape large_shape() const override { return {(size_t{1} << 29) + 133}; }

  // The product (1) and f (3), 2^f by a polynomial of degree 6 (12) and 2^n (1), two sums, a quotient, a product.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {22 * n, 4 * n, 4 * n};
  }

 private:
  static void judge(Case& c, size_t i, float x, float cap, float got) {
    const double want = reference::softcap_f32(static_cast<double>(x), static_cast<double>(cap));
    if (std::isnan(want)) {
      c.expect("y", i, got, {want, 0});
      return;
    }
    if (std::isinf(x)) {
      c.expect_bits("y", i, got, static_cast<float>(want));
      return;
    }
    c.expect("y", i, got, {want, kUlpLimit * float_ulp(want) + static_cast<double>(cap) * 0x1p-148});
    c.expect_equal("sign of y", i, std::signbit(got), std::signbit(want));
  }
};

}  // namespace

extern const Trial& softcap_f32_trial();
const Trial& softcap_f32_trial() {
  static const SoftcapF32Trial trial;
  return trial;
}

}  // namespace assay
