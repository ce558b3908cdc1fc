#include <cmath>

#include "harness/check/format_trial.h"
#include "harness/check/quantized_blocks.h"
#include "kernels/quantize_q8_0/kernel.h"
#include "reference/quantize_q8_0.h"

namespace assay {
namespace {

constexpr size_t kBlock = 32;
constexpr size_t kBytes = 34;

// Amax / 127 beside the middle of two fp16, the last of which is that of 65504 and Inf.
void own_corner(std::span<float> x, Rng& rng) {
  const auto code = static_cast<int>(rng.below(8) == 0 ? 0x7bff : rng.below(0x7c00));
  const int exponent = code < 1024 ? -24 : code / 1024 - 25;
  const int mantissa = code < 1024 ? code : code % 1024 + 1024;
  const float middle = std::ldexp(static_cast<float>(2 * mantissa + 1), exponent - 1);
  fill_below(x, steps_from(127.0f * middle, rng.between(-2, 2)), rng);
}

class QuantizeQ80Trial : public Trial {
 public:
  Shape draw_shape(Rng& rng, uint64_t index) const override {
    // Blocks are independent: an eighth of the usual lengths is enough.
    return {index < 40 ? index * kBlock : draw_length(rng, 1000 + index) / 8 * kBlock};
  }

  void validate(const Kernel& kernel, const Shape& shape) const override {
    Trial::validate(kernel, shape);
    expect_whole_blocks(shape[0], kBlock, "Q8_0");
  }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<quantize_q8_0_fn>();
    const auto x = c.input<float>("x", n, [&](std::span<float> v, Rng& rng) {
      fill_class(v, c.input_class(), rng);
      for (size_t i = 0; i + kBlock <= v.size() && !c.timing(); i += kBlock) {
        edit_block(v.subspan(i, kBlock), own_corner, rng);
      }
    });
    auto* dst = c.output<uint8_t>("dst", n / kBlock * kBytes);
    c.call(kernel, static_cast<void*>(dst), x.data, n);
    if (c.timing()) {
      return;
    }
    std::vector<uint8_t> want(n / kBlock * kBytes);
    reference::quantize_q8_0(want.data(), x.ref, n);
    for (size_t block = 0; block < n / kBlock; ++block) {
      const uint8_t* got_block = dst + block * kBytes;
      const uint8_t* want_block = want.data() + block * kBytes;
      c.expect_equal("d", block, got_block[0] | got_block[1] << 8, want_block[0] | want_block[1] << 8);
      for (size_t i = 0; i < kBlock; ++i) {
        c.expect_equal("q", block * kBlock + i, static_cast<int8_t>(got_block[2 + i]),
                       static_cast<int8_t>(want_block[2 + i]));
      }
    }
  }

  // Rows of 32 floats in, 34 bytes out.
  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 5, kBlock);
  }

  Shape large_shape() const override { return {(size_t{1} << 29) + 160}; }

  // Comparison and product for each value, two divisions a block.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {2 * n + 2 * n / kBlock, 4 * n, n / kBlock * kBytes};
  }
};

}  // namespace

extern const Trial& quantize_q8_0_trial();
const Trial& quantize_q8_0_trial() {
  static const QuantizeQ80Trial trial;
  return trial;
}

}  // namespace assay
