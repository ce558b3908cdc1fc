#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "harness/check/quantized_blocks.h"
#include "harness/check/trial.h"
#include "harness/runtime/error.h"
#include "kernels/quantize_i8_s/kernel.h"
#include "reference/quantize_i8_s.h"

namespace assay {
namespace {

constexpr size_t kStep = 32;
constexpr size_t kMost = size_t{1} << 24;

// The largest magnitude is about the least that counts, 1e-5.
void about_the_least(std::span<float> x, Rng& rng) { fill_below(x, steps_from(1e-5f, rng.between(-4, 4)), rng); }

class QuantizeI8STrial : public Trial {
 public:
  Shape draw_shape(Rng& rng, uint64_t index) const override {
    return {index < 12 ? index * kStep : draw_length(rng, 1000 + index) / 4 / kStep * kStep};
  }

  void validate(const Kernel& kernel, const Shape& shape) const override {
    Trial::validate(kernel, shape);
    if (shape[0] % kStep != 0 || shape[0] > kMost) {
      throw InputError(fmt::format("size n={} is no multiple of {} up to {}", shape[0], kStep, kMost));
    }
  }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<quantize_i8_s_fn>();
    float scale = 0.5f;
    if (!c.timing()) {
      fill_class(std::span(&scale, 1), c.input_class(), c.rng());
    }
    const auto x = c.input<float>("x", n, [&](std::span<float> v, Rng& rng) {
      fill_class(v, c.input_class(), rng);
      if (!v.empty() && !c.timing()) {
        edit_block(v, about_the_least, rng);
      }
    });
    auto* dst = c.output<uint8_t>("dst", 8 + n);
    c.call(kernel, static_cast<void*>(dst), x.data, n, scale);
    if (c.timing()) {
      return;
    }
    std::vector<uint8_t> want(8 + n);
    reference::quantize_i8_s(want.data(), x.ref, n, scale);
    float d[2];
    int32_t sums[2];
    const uint8_t* const rows[] = {dst, want.data()};
    for (int i = 0; i < 2; ++i) {
      std::memcpy(&d[i], rows[i], 4);
      std::memcpy(&sums[i], rows[i] + 4, 4);
    }
    c.expect_bits("d", 0, d[0], d[1]);
    c.expect_equal("the sum", 0, sums[0], sums[1]);
    for (size_t i = 0; i < n; ++i) {
      c.expect_equal("q", i, static_cast<int8_t>(dst[8 + i]), static_cast<int8_t>(want[8 + i]));
    }
  }

  // Rows of 4 n bytes in, n bytes out.
  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    auto classes = vector_shape_classes(caches, 5, kStep);
    for (ShapeClass& c : classes) {
      c.shape[0] = std::min(c.shape[0], kMost);
    }
    return classes;
  }

  // Comparison, product and sum for each value.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {3 * n + 2, 4 * n, 8 + n};
  }
};

}  // namespace

extern const Trial& quantize_i8_s_trial();
const Trial& quantize_i8_s_trial() {
  static const QuantizeI8STrial trial;
  return trial;
}

}  // namespace assay
