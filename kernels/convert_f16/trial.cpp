#include <bit>
#include <cmath>

#include "harness/check/trial.h"
#include "harness/check/unary_trial.h"
#include "kernels/convert_f16/kernel.h"
#include "reference/convert_f16.h"

namespace assay {
namespace {

bool is_nan(int half) { return (half & 0x7fff) > 0x7c00; }

// An fp16, the middle of two, or a float beside one of these.
float interesting(Rng& rng) {
  // Inf stands for 65536 here.
  const auto code = static_cast<int>(rng.below(8) == 0 ? 0x7bff + rng.below(2) : rng.below(0x7c01));
  const int exponent = code < 1024 ? -24 : code / 1024 - 25;
  const int mantissa = code < 1024 ? code : code % 1024 + 1024;
  const auto middle = static_cast<int>(rng.below(2));
  const float x = std::ldexp(static_cast<float>(2 * mantissa + middle), exponent - 1);
  const auto bits = static_cast<uint32_t>(std::bit_cast<int32_t>(x) + (x == 0 ? 0 : rng.between(-1, 1)));
  return std::bit_cast<float>(bits | (rng.below(2) == 0 ? 0x80000000u : 0));
}

class ConvertF16Trial : public Trial {
 public:
  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<convert_f16_fn>();
    const auto x = c.input<float>("x", n, [&](std::span<float> values, Rng& rng) {
      fill_class(values, c.input_class(), rng);
      if (!c.timing()) {
        mix_in(values, c.input_class(), interesting, rng);
      }
    });
    auto* y = c.output<uint16_t>("y", n);
    c.call(kernel, y, x.data, n);
    if (c.timing()) {
      return;
    }
    for (size_t i = 0; i < n; ++i) {
      const uint16_t want = reference::convert_f16(x.ref[i]);
      if (!is_nan(want) || !is_nan(y[i])) {
        c.expect_equal("y", i, y[i], want);
      }
    }
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 6);
  }

  Shape large_shape() const override { return {(size_t{1} << 29) + 133}; }

  // A conversion.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {n, 4 * n, 2 * n};
  }
};

}  // namespace

extern const Trial& convert_f16_trial();
const Trial& convert_f16_trial() {
  static const ConvertF16Trial trial;
  return trial;
}

}  // namespace assay
