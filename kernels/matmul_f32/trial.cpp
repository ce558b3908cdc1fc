#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cfloat>
#include <limits>

#include "harness/check/trial.h"
#include "harness/runtime/error.h"
#include "kernels/matmul_f32/kernel.h"
#include "reference/matmul_f32.h"

namespace assay {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The class special with a few special values in the whole buffer, not one in 64: else nearly every result is a NaN,
// and none would show that rows and tokens stay apart.
void fill(std::span<float> values, InputClass input_class, Rng& rng) {
  if (input_class != InputClass::special) {
    fill_class(values, input_class, rng);
    return;
  }
  fill_class(values, InputClass::normal, rng);
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr std::array<float, 6> kSpecials = {kNan, kInf, -kInf, -0.0f, 0.0f, std::numeric_limits<float>::denorm_min()};
  for (uint64_t left = values.empty() ? 0 : rng.below(4); left > 0; --left) {
    values[rng.below(values.size())] = kSpecials[rng.below(kSpecials.size())];
  }
}

// Floats that hold `count` rows of `length`, `stride` apart: the last one ends flush.
size_t extent(size_t count, size_t length, size_t stride) { return count == 0 ? 0 : (count - 1) * stride + length; }

class MatmulF32Trial : public Trial {
 public:
  Shape draw_shape(Rng& rng, uint64_t index) const override {
    // Past every tile: panels of 8 to 32 rows, tiles of 1 to 14 tokens, steps of 1 to 8 columns, blocks of 256.
    if (index % 64 == 63) {  // several blocks of columns, many tiles
      return {rng.below(200), 200 + rng.below(450), rng.below(48)};
    }
    switch (rng.below(8)) {
      case 0:
        return {rng.below(132), rng.below(300), 1};  // decode
      case 1:
        return {32 * rng.below(5), 8 * rng.below(12), rng.below(30)};
      case 2:
        return {rng.below(4), rng.below(4), rng.below(4)};
      case 3:
        return {rng.below(300), rng.below(8), rng.below(16)};
      default:
        return {rng.below(100), rng.below(70), rng.below(30)};
    }
  }

  void validate(const Kernel& kernel, const Shape& shape) const override {
    Trial::validate(kernel, shape);
    const auto names = kernel.dims();
    for (size_t i = 0; i < 3; ++i) {
      const size_t j = (i + 1) % 3;
      if (shape[i] * shape[j] > (size_t{1} << 28)) {
        throw InputError(fmt::format("{} x {} = {} x {} is over 2^28; a case that large does not fit the harness",
                                     names[i], names[j], shape[i], shape[j]));
      }
    }
  }

  void run(Case& c) const override {
    const size_t rows = c.dim(0);
    const size_t cols = c.dim(1);
    const size_t tokens = c.dim(2);
    auto* kernel = c.fn<matmul_f32_fn>();
    auto* pack = c.pack<matmul_f32_pack_fn>();

    // Timing: all rows, densely packed, with a bias. Fuzzing: any range of whole tiles, and gaps between the tokens.
    size_t row_begin = 0;
    size_t row_end = rows;
    size_t ldx = cols;
    size_t ldy = rows;
    bool has_bias = true;
    if (!c.timing()) {
      Rng& rng = c.rng();
      if (rng.below(2) == 0) {
        row_begin = 32 * rng.below(rows / 32 + 1);
        row_end = std::min(rows, row_begin + 32 * rng.below((rows - row_begin) / 32 + 2));
      }
      ldx += rng.below(2) * rng.below(20);
      ldy += rng.below(2) * rng.below(20);
      has_bias = rng.below(3) != 0;
    }

    const auto filler = [&](std::span<float> values, Rng& rng) { fill(values, c.input_class(), rng); };
    const auto w = c.input<float>("w", rows * cols, filler);
    const auto x = c.input<float>("x", extent(tokens, cols, ldx), [&](std::span<float> values, Rng& rng) {
      filler(values, rng);
      for (size_t i = 0; i < values.size(); ++i) {
        if (i % std::max<size_t>(ldx, 1) >= cols) {
          values[i] = kNan;
        }
      }
    });
    const auto bias = c.input<float>("bias", has_bias ? rows : 0, filler);
    auto* y = c.output<float>("y", extent(tokens, rows, ldy));

    const size_t bytes = pack(nullptr, nullptr, rows, cols);
    size_t bytes_again = bytes;
    const void* packed = c.packed("packed", bytes, [&](void* to) { bytes_again = pack(to, w.data, rows, cols); });

    const matmul_f32_args args = {y,      packed,    x.data, has_bias ? bias.data : nullptr, ldy, ldx, rows, cols,
                                  tokens, row_begin, row_end};
    c.call(kernel, &args);
    if (c.timing()) {
      return;
    }

    c.expect_equal("pack's size", 0, static_cast<int64_t>(bytes_again), static_cast<int64_t>(bytes));
    if (w.count > 0) {
      c.expect_equal("w after pack", 0, std::memcmp(w.data, w.ref, w.count * sizeof(float)), 0);
    }
    for (size_t t = 0; t < tokens; ++t) {
      float* row = y + t * ldy;
      c.expect_untouched("y before row_begin", row, row_begin);
      c.expect_untouched("y from row_end on", row + row_end, (t + 1 < tokens ? ldy : rows) - row_end);
      for (size_t r = row_begin; r < row_end; ++r) {
        const reference::MatmulResult want =
            reference::matmul_f32(w.ref + r * cols, x.ref + t * ldx, cols, has_bias ? bias.ref[r] : 0.0f);
        const double terms = static_cast<double>(cols) + 1;
        const double bound = c.exact_inputs() ? 0 : terms * (0x1p-24 * want.sum_abs + 0x1p-149);
        c.expect("y", t * ldy + r, row[r], {want.sum, bound, want.sum_abs * (1 + terms * 0x1p-24) > FLT_MAX});
      }
    }
  }

  // Decode: one token, bound by reading the weights; prefill: bound by arithmetic. Sizes of GPT-2's layers; and 512, whose
  // weights are about an L2 cache, where the order of variants is neither that of 256 nor that of 768.
  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    // Weights that no cache holds: 4096 columns, 32 to 64 MiB.
    const size_t l3 = caches.l3 != 0 ? caches.l3 : size_t{8} << 20;
    const size_t memory_rows = std::clamp(4 * l3, size_t{32} << 20, size_t{64} << 20) / (4096 * sizeof(float));
    return {{"decode-256", {256, 256, 1}},          {"decode-512", {512, 512, 1}},   {"decode-768", {768, 768, 1}},
            {"decode-mem", {memory_rows, 4096, 1}}, {"prefill-256", {256, 256, 64}}, {"prefill-768", {768, 768, 128}},
            {"prefill-3072", {3072, 768, 128}}};
  }

  Work work(const Shape& shape) const override {
    const auto rows = static_cast<double>(shape[0]);
    const auto cols = static_cast<double>(shape[1]);
    const auto tokens = static_cast<double>(shape[2]);
    return {2 * rows * cols * tokens, 4 * (rows * cols + tokens * cols + rows), 4 * tokens * rows};
  }
};

}  // namespace

extern const Trial& matmul_f32_trial();
const Trial& matmul_f32_trial() {
  static const MatmulF32Trial trial;
  return trial;
}

}  // namespace assay
