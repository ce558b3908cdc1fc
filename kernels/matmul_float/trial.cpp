#include <fmt/format.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <vector>

#include "harness/check/blocks.h"
#include "harness/check/format_trial.h"
#include "harness/check/packed.h"
#include "harness/runtime/error.h"
#include "harness/runtime/formats.h"
#include "kernels/matmul_float/kernel.h"
#include "reference/formats.h"
#include "reference/matmul_float.h"

namespace assay {
namespace {

// The class special with a few special values in the whole buffer, not one in 64: else nearly every result is a NaN,
// and none would show that rows and tokens stay apart.
void fill(std::span<float> values, InputClass input_class, Rng& rng) {
  if (input_class != InputClass::special) {
    fill_class(values, input_class, rng);
    return;
  }
  fill_class(values, InputClass::normal, rng);
  for (uint64_t left = values.empty() ? 0 : rng.below(4); left > 0; --left) {
    values[rng.below(values.size())] = special_value(rng);
  }
}

class MatmulFloatTrial : public Trial {
 public:
  explicit MatmulFloatTrial(const weight_format& format)
      : format_(format), reference_(*reference::find_format(format.gguf_type)) {}

  Shape draw_shape(Rng& rng, uint64_t index) const override {
    // Past every tile: panels of 16 and 32 rows, tiles of 1 to 12 tokens, steps of 1 to 4 columns, blocks of 1024.
    if (index % 150 == 148) {
      return draw_model_product(rng, index / 150, 1);
    }
    if (index % 64 == 63) {  // several blocks of columns, many tiles
      return {rng.below(70), 900 + rng.below(1300), rng.below(30)};
    }
    if (index % 128 == 62) {  // more tokens than are copied at once
      return {rng.below(70), rng.below(30), 90 + rng.below(20)};
    }
    if (index % 128 == 126) {  // many panels
      return {rng.below(300), 200 + rng.below(300), rng.below(30)};
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
    auto* kernel = c.fn<matmul_fn>();

    const ProductRows range = draw_product_rows(c, rows);

    const auto filler = [&](std::span<float> values, Rng& rng) { fill(values, c.input_class(), rng); };
    const auto w = c.input<uint8_t>("w", rows * cols * format_.bytes, [&](std::span<uint8_t> bytes, Rng& rng) {
      std::vector<float> values(rows * cols);
      filler(values, rng);
      simplify(values, c.id());
      encode_floats(bytes, format_, values);
    });
    const auto x = c.input<float>("x", tokens * cols, filler);
    const auto bias = c.input<float>("bias", range.has_bias ? rows : 0, filler);
    auto* y = c.output<float>("y", range.extent(tokens));
    auto* scratch = c.scratch<uint8_t>("scratch", 64);
    const void* packed = packed_weights(c, w, rows, cols);

    const matmul_args args = {y,       packed,      x.data,   range.has_bias ? bias.data : nullptr,
                              scratch, range.ldy,   rows,     cols,
                              tokens,  range.begin, range.end};
    keep_out_of_other_rows(c, y, range, tokens);
    c.call(kernel, c.arguments(args));
    if (c.timing()) {
      return;
    }

    for (size_t t = 0; t < tokens; ++t) {
      const float* row = y + t * range.ldy;
      c.expect_written("y", row + range.begin, range.end - range.begin);
    }
    for (const size_t r : rows_to_judge(Rng(mix_seed(c.id().seed, 2)), range.begin, range.end, cols * tokens)) {
      const std::vector<double> weights = reference::decode(reference_, w.ref + r * cols * format_.bytes, cols);
      for (size_t t = 0; t < tokens; ++t) {
        const reference::MatmulResult want =
            reference::matmul_float(weights.data(), x.ref + t * cols, cols, range.has_bias ? bias.ref[r] : 0.0f);
        const double terms = static_cast<double>(cols) + 1;
        const double bound = c.exact_inputs() ? 0 : terms * (0x1p-24 * want.sum_abs + 0x1p-149);
        c.expect("y", t * range.ldy + r, y[t * range.ldy + r],
                 {want.sum, bound, want.sum_abs * (1 + terms * 0x1p-24) > FLT_MAX});
      }
    }
  }

  // Decode: one token, bound by reading the weights; prefill: bound by arithmetic. Sizes of GPT-2's layers; and 512, whose
  // weights are about an L2 cache, where the order of variants is neither that of 256 nor that of 768.
  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    // Weights that no cache holds: 4096 columns, 32 to 64 MiB, in rows that are whole tiles.
    const size_t l3 = caches.l3 != 0 ? caches.l3 : size_t{8} << 20;
    const size_t memory_rows =
        std::clamp(4 * l3, size_t{32} << 20, size_t{64} << 20) / (4096 * format_.bytes) / 64 * 64;
    return {{"decode-256", {256, 256, 1}},          {"decode-512", {512, 512, 1}},   {"decode-768", {768, 768, 1}},
            {"decode-mem", {memory_rows, 4096, 1}}, {"prefill-256", {256, 256, 64}}, {"prefill-768", {768, 768, 128}},
            {"prefill-3072", {3072, 768, 128}}};
  }

  Work work(const Shape& shape) const override {
    const auto rows = static_cast<double>(shape[0]);
    const auto cols = static_cast<double>(shape[1]);
    const auto tokens = static_cast<double>(shape[2]);
    const auto bytes = static_cast<double>(format_.bytes);
    return {2 * rows * cols * tokens, bytes * rows * cols + 4 * (tokens * cols + rows), 4 * tokens * rows};
  }

 private:
  const weight_format& format_;
  const reference::Format& reference_;
};

}  // namespace

extern const Trial& matmul_float_trial(const char* format);
const Trial& matmul_float_trial(const char* format) { return trial_of_format<MatmulFloatTrial>(format); }

}  // namespace assay
