#include "harness/check/trial.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/runtime/error.h"
#include "kernels/join_attention_f32/kernel.h"
#include "reference/attention_f32.h"

namespace assay {
namespace {

constexpr size_t kMostParts = 64;
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class JoinAttentionF32Trial : public Trial {
 public:
  Shape draw_shape(Rng& rng, uint64_t index) const override {
    const size_t parts = rng.below(8) == 0 ? 1 + rng.below(kMostParts) : 1 + rng.below(9);
    return {draw_length(rng, index) % 70000, parts};
  }

  void validate(const Kernel& kernel, const Shape& shape) const override {
    Trial::validate(kernel, shape);
    if (shape[1] == 0 || shape[1] > kMostParts) {
      throw InputError("join_attention_f32: n_parts=" + std::to_string(shape[1]) +
                       " is outside the contract: it has 1 to 64 parts");
    }
  }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    const size_t n_parts = c.dim(1);
    auto* join = c.fn<join_attention_f32_fn>();
    const size_t ldp = n + (c.timing() ? 0 : c.rng().below(5));
    const size_t lds = 2 + (c.timing() ? 0 : c.rng().below(5));
    const auto parts = c.input<float>("parts", (n_parts - 1) * ldp + n, [&](std::span<float> x, Rng& rng) {
      fill_class(x, c.input_class(), rng);
      for (size_t p = 0; p + 1 < n_parts; ++p) {
        std::fill_n(x.begin() + static_cast<std::ptrdiff_t>(p * ldp + n), ldp - n, kNan);
      }
    });
    const auto stats = c.input<float>("stats", (n_parts - 1) * lds + 2, [&](std::span<float> x, Rng& rng) {
      std::ranges::fill(x, kNan);
      const float spread = std::ldexp(1.0f, static_cast<int>(rng.between(-3, 8)));
      const uint64_t empty_in_8 = rng.below(9);
      for (size_t p = 0; p < n_parts; ++p) {
        const bool empty = rng.below(8) < empty_in_8 && rng.below(2) == 0;
        x[p * lds] = empty ? -kInf : spread * (2 * rng.uniform() - 1);
        x[p * lds + 1] = empty ? 0 : 1 + std::ldexp(rng.uniform(), static_cast<int>(rng.below(13)));
        if (c.input_class() == InputClass::special && rng.below(64) == 0) {
          x[p * lds + 1] = kNan;
        }
      }
    });
    auto* out = c.output<float>("out", n);
    const join_attention_f32_args args = {out, parts.data, stats.data, ldp, lds, n_parts, n};
    c.call(join, c.arguments(args));
    if (c.timing()) {
      return;
    }
    const reference::AttentionRow row = reference::join_attention_f32(stats.ref, lds, n_parts);
    const double a = 0x1p-24 * (2 * row.max_score + 2 * static_cast<double>(n_parts) + 12);
    for (size_t e = 0; e < n; ++e) {
      const reference::Attention want = reference::attention_f32(row, parts.ref + e, ldp);
      const double bound =
          std::expm1(a) * want.sum_weighted + 0x1p-147 * want.sum_abs + static_cast<double>(n_parts) * 0x1p-148;
      const bool non_finite = want.least_of_inf * std::exp(-a) < 0x1p-140;
      c.expect("out", e, out[e], {want.value, bound, non_finite && !row.nan});
    }
  }

  size_t scaled_sizes() const override { return 0; }

  std::vector<ShapeClass> shape_classes(const CacheInfo&) const override {
    return {{"2-parts", {128, 2}}, {"8-parts", {128, 8}}};
  }

  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    const auto parts = static_cast<double>(shape[1]);
    return {parts * (2 * n + 25), 4 * parts * (n + 2), 4 * n};
  }
};

}  // namespace

extern const Trial& join_attention_f32_trial();
const Trial& join_attention_f32_trial() {
  static const JoinAttentionF32Trial trial;
  return trial;
}

}  // namespace assay
