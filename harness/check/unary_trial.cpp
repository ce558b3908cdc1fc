#include "harness/check/unary_trial.h"

#include <cfloat>
#include <cmath>

namespace assay {

void mix_in(std::span<float> values, InputClass input_class, float (*interesting)(Rng&), Rng& rng) {
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

void UnaryTrial::run(Case& c) const {
  const size_t n = c.dim(0);
  auto* kernel = c.fn<void(float*, const float*, size_t)>();
  const auto x = c.input<float>("x", n, [&](std::span<float> values, Rng& rng) {
    fill_class(values, c.input_class(), rng);
    if (!c.timing()) {
      mix_in(values, c.input_class(), unary_.interesting, rng);
    }
  });
  auto* y = c.output<float>("y", n, c.alias() == 1 ? &x : nullptr);
  c.call(kernel, y, x.data, n);
  if (c.timing()) {
    return;
  }
  for (size_t i = 0; i < n; ++i) {
    const double want = unary_.reference(static_cast<double>(x.ref[i]));
    if (std::isnan(want)) {
      c.expect("y", i, y[i], {want, 0});
    } else if (std::fabs(want) < 0x1p-150 || is_exact(x.ref[i])) {
      c.expect_bits("y", i, y[i], static_cast<float>(want));
    } else if (std::fabs(want) > FLT_MAX) {
      c.expect_bits("y", i, y[i], std::copysign(HUGE_VALF, static_cast<float>(want)));
    } else {
      c.expect("y", i, y[i], {want, unary_.ulp_limit * float_ulp(want)});
      c.expect_equal("sign of y", i, std::signbit(y[i]), std::signbit(want));
    }
  }
}

std::vector<ShapeClass> UnaryTrial::shape_classes(const CacheInfo& caches) const {
  return vector_shape_classes(caches, 8);
}

Work UnaryTrial::work(const Shape& shape) const {
  const auto n = static_cast<double>(shape[0]);
  return {unary_.ops * n, 4 * n, 4 * n};
}

}  // namespace assay
