#include <cmath>

#include "harness/check/format_trial.h"
#include "harness/check/quantized_blocks.h"
#include "kernels/quantize_q8_k/kernel.h"
#include "reference/quantize_q8_k.h"

namespace assay {
namespace {

constexpr size_t kBlock = 256;
constexpr size_t kBytes = 292;

// Little endian.
uint32_t number(const uint8_t* bytes, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    value |= static_cast<uint32_t>(bytes[i]) << (8 * i);
  }
  return value;
}

// Two of the largest magnitude, of either sign.
void own_corner(std::span<float> x, Rng& rng) {
  const float amax = std::ldexp(1.0f + rng.uniform(), static_cast<int>(rng.between(-100, 100)));
  fill_below(x, amax, rng);
  x[rng.below(x.size())] = random_sign(rng) * amax;
}

class QuantizeQ8KTrial : public Trial {
 public:
  Shape draw_shape(Rng& rng, uint64_t index) const override {
    // Blocks are independent: a 64th of the usual lengths is enough.
    return {index < 12 ? index * kBlock : draw_length(rng, 1000 + index) / 64 * kBlock};
  }

  void validate(const Kernel& kernel, const Shape& shape) const override {
    Trial::validate(kernel, shape);
    expect_whole_blocks(shape[0], kBlock, "Q8_K");
  }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<quantize_q8_k_fn>();
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
    reference::quantize_q8_k(want.data(), x.ref, n);
    for (size_t block = 0; block < n / kBlock; ++block) {
      const uint8_t* got_block = dst + block * kBytes;
      const uint8_t* want_block = want.data() + block * kBytes;
      c.expect_equal("d", block, number(got_block, 4), number(want_block, 4));
      for (size_t i = 0; i < kBlock; ++i) {
        c.expect_equal("q", block * kBlock + i, static_cast<int8_t>(got_block[4 + i]),
                       static_cast<int8_t>(want_block[4 + i]));
      }
      for (size_t i = 0; i < 16; ++i) {
        c.expect_equal("a sum", block * 16 + i, static_cast<int16_t>(number(got_block + 260 + 2 * i, 2)),
                       static_cast<int16_t>(number(want_block + 260 + 2 * i, 2)));
      }
    }
  }

  // Rows of 256 floats in, 292 bytes out.
  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 5, kBlock);
  }

  Shape large_shape() const override { return {(size_t{1} << 29) + 1280}; }

  // Comparison, product and sum for each value, two divisions a block.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {3 * n + 2 * n / kBlock, 4 * n, n / kBlock * kBytes};
  }
};

}  // namespace

extern const Trial& quantize_q8_k_trial();
const Trial& quantize_q8_k_trial() {
  static const QuantizeQ8KTrial trial;
  return trial;
}

}  // namespace assay
