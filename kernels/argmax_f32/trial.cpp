#include <cmath>
#include <limits>

#include "harness/check/trial.h"
#include "kernels/argmax_f32/kernel.h"
#include "reference/argmax_f32.h"

namespace assay {
namespace {

// The largest once more, or many times; NaN beside it; nothing but NaN or -Inf.
void edit(std::span<float> x, Rng& rng) {
  if (x.empty()) {
    return;
  }
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const auto anywhere = [&]() -> float& { return x[rng.below(x.size())]; };
  const float most = x[reference::argmax_f32(x.data(), x.size())];
  switch (rng.below(8)) {
    case 0:
      anywhere() = most;
      break;
    case 1:
      for (uint64_t i = rng.below(10); i > 0; --i) {
        anywhere() = most;
      }
      break;
    case 2:
      anywhere() = kNan;
      break;
    case 3:
      for (float& v : x) {
        v = rng.below(16) == 0 ? -kInf : kNan;
      }
      break;
    case 4:  // the largest is -0 and 0
      for (float& v : x) {
        v = rng.below(4) == 0 ? (rng.below(2) == 0 ? 0.0f : -0.0f) : -std::fabs(v);
      }
      break;
    case 5:  // at one end
      (rng.below(2) == 0 ? x.front() : x.back()) = std::isfinite(most) ? std::fabs(most) * 2 + 1 : most;
      break;
    default:
      break;
  }
}

class ArgmaxF32Trial : public Trial {
 public:
  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* argmax = c.fn<argmax_f32_fn>();
    const auto x = c.input<float>("x", n, [&](std::span<float> values, Rng& rng) {
      fill_class(values, c.input_class(), rng);
      if (!c.timing()) {
        edit(values, rng);
      }
    });
    const size_t got = c.call(argmax, x.data, n);
    if (c.timing()) {
      return;
    }
    c.expect_equal("argmax", 0, static_cast<int64_t>(got), static_cast<int64_t>(reference::argmax_f32(x.ref, n)));
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 4);
  }

  Shape large_shape() const override { return {(size_t{1} << 29) + 133}; }

  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {n, 4 * n, 0};
  }
};

}  // namespace

extern const Trial& argmax_f32_trial();
const Trial& argmax_f32_trial() {
  static const ArgmaxF32Trial trial;
  return trial;
}

}  // namespace assay
