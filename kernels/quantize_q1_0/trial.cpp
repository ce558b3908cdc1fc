#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>

#include "harness/check/format_trial.h"
#include "kernels/quantize_q1_0/kernel.h"
#include "reference/convert_f16.h"
#include "reference/quantize_q1_0.h"

namespace assay {
namespace {

constexpr size_t kBlock = 128;
constexpr size_t kBytes = 18;

float sign(Rng& rng) { return (rng.next() & 1) != 0 ? -1.0f : 1.0f; }

class QuantizeQ10Trial : public Trial {
 public:
  Shape draw_shape(Rng& rng, uint64_t index) const override {
    // Blocks are independent: an eighth of the usual lengths, and of those a quarter, is enough.
    return {index < 20 ? index * kBlock : draw_length(rng, 1000 + index) / 32 * kBlock};
  }

  void validate(const Kernel& kernel, const Shape& shape) const override {
    Trial::validate(kernel, shape);
    expect_whole_blocks(shape[0], kBlock, "Q1_0");
  }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<quantize_q1_0_fn>();
    const auto x = c.input<float>("x", n, [&](std::span<float> v, Rng& rng) {
      fill_class(v, c.input_class(), rng);
      for (size_t i = 0; i + kBlock <= v.size() && !c.timing(); i += kBlock) {
        edit_block(v.subspan(i, kBlock), c.exact_inputs(), rng);
      }
    });
    auto* dst = c.output<uint8_t>("dst", n / kBlock * kBytes);
    c.call(kernel, static_cast<void*>(dst), x.data, n);
    if (c.timing()) {
      return;
    }
    for (size_t block = 0; block < n / kBlock; ++block) {
      const reference::Q1Block want = reference::quantize_q1_0(x.ref + block * kBlock);
      const uint8_t* got = dst + block * kBytes;
      judge_scale(c, block, got[0] | got[1] << 8, want.mean);
      for (size_t i = 0; i < want.bits.size(); ++i) {
        c.expect_equal("bits (byte)", block * want.bits.size() + i, got[2 + i], want.bits[i]);
      }
    }
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    return vector_shape_classes(caches, 4, kBlock);
  }

  Shape large_shape() const override { return {(size_t{1} << 29) + 128}; }

  // Addition and comparison for each value.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {2 * n, 4 * n, n / kBlock * kBytes};
  }

 private:
  // The fp16 of the ends of the interval that the mean may lie in: codes are ordered, so d lies between theirs.
  static void judge_scale(Case& c, size_t block, int d, double mean) {
    if (std::isnan(mean)) {
      if ((d & 0x7fff) <= 0x7c00) {
        throw Mismatch(fmt::format("d[{}] is {:#06x}, expected a NaN", block, d));
      }
      return;
    }
    const double error = c.exact_inputs() ? 0 : 0x1p-20;
    const int low = reference::half_nearest(mean * (1 - error));
    const int high = reference::half_nearest(mean * (1 + error));
    if (d < low || d > high) {
      throw Mismatch(fmt::format("d[{}] is {:#06x}, expected {:#06x} to {:#06x}: the fp16 nearest to {} ({:a})", block,
                                 d, low, high, mean, mean));
    }
  }

  // Half of the blocks keep the class; the others meet the corners of the contract.
  static void edit_block(std::span<float> x, bool exact, Rng& rng) {
    if (exact) {
      exact_block(x, rng);
      return;
    }
    switch (rng.below(8)) {
      case 0: {  // one NaN (quiet or signalling, either sign) or Inf anywhere, or one of each
        constexpr std::array<uint32_t, 6> kSpecials = {0x7fc00000, 0xffc00000, 0x7f800001,
                                                       0xffffffff, 0x7f800000, 0xff800000};
        for (uint64_t i = rng.below(2); i < 2; ++i) {
          x[rng.below(kBlock)] = std::bit_cast<float>(kSpecials[rng.below(kSpecials.size())]);
        }
        break;
      }
      case 1: {  // the mean is among the subnormal fp16 or near the largest: 2^-26 .. 2^-13, 2^14 .. 2^17
        const int exponent = static_cast<int>(rng.below(2) == 0 ? rng.between(-26, -13) : rng.between(14, 17));
        for (float& v : x) {
          v = std::ldexp(rng.normal(), exponent);
        }
        break;
      }
      case 2: {  // near 65520, from where on the mean rounds to Inf
        for (float& v : x) {
          v = sign(rng) * (65520.0f + static_cast<float>(rng.between(-16, 16)));
        }
        break;
      }
      case 3:  // all exponents
        for (float& v : x) {
          v = rng.with_exponent(0, 254);
        }
        break;
      default:
        break;
    }
  }

  // Integers times a power of two, of which all partial sums are exact: d must be the nearest fp16. With |x| all the
  // same, the mean can be a tie.
  static void exact_block(std::span<float> x, Rng& rng) {
    int exponent = static_cast<int>(rng.between(-40, 8));
    uint64_t all = 0;  // |x| of all, 0: they differ
    switch (rng.below(8)) {
      case 0:
        all = 4095, exponent = 4;
        break;  // 65520, between the largest fp16 and Inf
      case 1:
        all = 2 * rng.below(1024) + 1, exponent = -25;
        break;  // between two subnormals
      case 2:
      case 3:
        all = 2049 + 2 * rng.below(1024);
        break;  // 12 bits, where fp16 has 11
      default:
        break;
    }
    for (float& v : x) {
      v = std::ldexp(sign(rng) * static_cast<float>(all != 0 ? all : rng.below(4096)), exponent);
    }
  }
};

}  // namespace

extern const Trial& quantize_q1_0_trial();
const Trial& quantize_q1_0_trial() {
  static const QuantizeQ10Trial trial;
  return trial;
}

}  // namespace assay
