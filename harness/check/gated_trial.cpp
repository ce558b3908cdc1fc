#include "harness/check/gated_trial.h"

#include <cmath>

#include "harness/check/unary_trial.h"

namespace assay {

void GatedTrial::run(Case& c) const {
  const size_t n = c.dim(0);
  auto* kernel = c.fn<void(float*, const float*, const float*, size_t)>();
  const auto gate = c.input<float>("gate", n, [&](std::span<float> values, Rng& rng) {
    fill_class(values, c.input_class(), rng);
    if (!c.timing()) {
      mix_in(values, c.input_class(), gated_.interesting, rng);
    }
  });
  const auto up = c.input<float>("up", n);
  auto* z = c.output<float>("z", n, c.alias() == 1 ? &gate : c.alias() == 2 ? &up : nullptr);
  c.call(kernel, z, gate.data, up.data, n);
  if (c.timing()) {
    return;
  }
  for (size_t i = 0; i < n; ++i) {
    judge(c, i, gate.ref[i], up.ref[i], z[i]);
  }
}

void GatedTrial::judge(Case& c, size_t i, float gate, float up, float got) const {
  const double activation = gated_.activation(static_cast<double>(gate));
  const double want = activation * static_cast<double>(up);
  // As a float the activation may be a zero, and a zero times Inf is NaN.
  if (std::isinf(up) && std::fabs(activation) <= 0x1p-149 && std::isnan(got)) {
    return;
  }
  if (std::isnan(want)) {
    c.expect("z", i, got, {want, 0});
    return;
  }
  const double of_rounded_activation = std::isinf(up) ? 0 : std::fabs(static_cast<double>(up)) * 0x1p-149;
  const double ulp = std::isinf(want) ? 0 : float_ulp(want);
  c.expect("z", i, got, {want, gated_.ulp_limit * ulp + of_rounded_activation});
  if (got == 0) {
    c.expect_equal("sign of z", i, std::signbit(got), std::signbit(want));
  }
}

std::vector<ShapeClass> GatedTrial::shape_classes(const CacheInfo& caches) const {
  return vector_shape_classes(caches, 12);
}

Work GatedTrial::work(const Shape& shape) const {
  const auto n = static_cast<double>(shape[0]);
  return {gated_.ops * n, 8 * n, 4 * n};
}

}  // namespace assay
