#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "harness/check/trial.h"
#include "harness/runtime/error.h"
#include "kernels/quantize_q8_k/kernel.h"
#include "reference/quantize_q8_k.h"

namespace assay {
namespace {

constexpr size_t kBlock = 256;
constexpr size_t kBytes = 292;

float steps_from(float x, int64_t ulps) {  // x > 0 and far from both ends
  return std::bit_cast<float>(static_cast<uint32_t>(std::bit_cast<uint32_t>(x) + ulps));
}

// Little endian.
uint32_t number(const uint8_t* bytes, size_t count) {
  uint32_t value = 0;
  for (size_t i = 0; i < count; ++i) {
    value |= static_cast<uint32_t>(bytes[i]) << (8 * i);
  }
  return value;
}

float sign(Rng& rng) { return (rng.next() & 1) != 0 ? -1.0f : 1.0f; }

class QuantizeQ8KTrial : public Trial {
 public:
  Shape draw_shape(Rng& rng, uint64_t index) const override {
    // Blocks are independent: a 64th of the usual lengths is enough.
    return {index < 12 ? index * kBlock : draw_length(rng, 1000 + index) / 64 * kBlock};
  }

  void validate(const Kernel& kernel, const Shape& shape) const override {
    Trial::validate(kernel, shape);
    if (shape[0] % kBlock != 0) {
      throw InputError(fmt::format("size n={} is no multiple of 256, the block of Q8_K; take n={}", shape[0],
                                   (shape[0] / kBlock + 1) * kBlock));
    }
  }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<quantize_q8_k_fn>();
    const auto x = c.input<float>("x", n, [&](std::span<float> v, Rng& rng) {
      fill_class(v, c.input_class(), rng);
      for (size_t i = 0; i + kBlock <= v.size() && !c.timing(); i += kBlock) {
        edit_block(v.subspan(i, kBlock), rng);
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

 private:
  // Half of the blocks keep the class; the others meet the corners of the contract.
  static void edit_block(std::span<float> x, Rng& rng) {
    switch (rng.below(16)) {
      case 0:  // zeros of both signs
        for (float& v : x) {
          v = sign(rng) * 0.0f;
        }
        break;
      case 1: {  // 127 / amax about to overflow: amax near 127 * 2^-128
        const float amax = steps_from(0x1.fcp-122f, rng.between(-4, 4));
        below(x, amax, rng);
        break;
      }
      case 2: {  // two of the largest magnitude, of either sign
        const float amax = std::ldexp(1.0f + rng.uniform(), static_cast<int>(rng.between(-100, 100)));
        below(x, amax, rng);
        x[rng.below(kBlock)] = sign(rng) * amax;
        break;
      }
      case 3: {  // exact ties: 127 / amax is a power of two, x an odd multiple of half a step
        const int exponent = static_cast<int>(rng.between(-30, 30));
        for (float& v : x) {
          v = sign(rng) * std::ldexp(static_cast<float>(rng.below(127)) + 0.5f, exponent);
        }
        x[rng.below(kBlock)] = sign(rng) * std::ldexp(127.0f, exponent);
        break;
      }
      case 4: {  // the rounded product x * (127 / amax) is a tie, or one rounding away from it
        const float amax = std::ldexp(1.0f + rng.uniform(), static_cast<int>(rng.between(-100, 100)));
        const float inverse = 127.0f / amax;
        for (float& v : x) {
          v = sign(rng) * steps_from((static_cast<float>(rng.below(127)) + 0.5f) / inverse, rng.between(-1, 1));
        }
        x[rng.below(kBlock)] = sign(rng) * amax;
        break;
      }
      case 5: {  // one NaN (quiet or signalling, either sign) or Inf anywhere
        constexpr std::array<uint32_t, 6> kSpecials = {0x7fc00000, 0xffc00000, 0x7f800001,
                                                       0xffffffff, 0x7f800000, 0xff800000};
        x[rng.below(kBlock)] = std::bit_cast<float>(kSpecials[rng.below(kSpecials.size())]);
        break;
      }
      case 6:  // all exponents: most values vanish beside the largest
        for (float& v : x) {
          v = rng.with_exponent(0, 254);
        }
        break;
      case 7:  // FLT_MAX itself and its neighbours
        below(x, steps_from(std::numeric_limits<float>::max(), -rng.between(0, 3)), rng);
        break;
      default:
        break;
    }
  }

  // Values of the block's usual shape with the given largest magnitude.
  static void below(std::span<float> x, float amax, Rng& rng) {
    for (float& v : x) {
      v = sign(rng) * amax * rng.uniform();
    }
    x[rng.below(kBlock)] = sign(rng) * amax;
  }
};

}  // namespace

extern const Trial& quantize_q8_k_trial();
const Trial& quantize_q8_k_trial() {
  static const QuantizeQ8KTrial trial;
  return trial;
}

}  // namespace assay
