#include <fmt/format.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <vector>

#include "harness/check/blocks.h"
#include "harness/check/format_trial.h"
#include "harness/check/packed.h"
#include "harness/check/values.h"
#include "harness/runtime/error.h"
#include "harness/runtime/formats.h"
#include "kernels/matmul/kernel.h"
#include "reference/formats.h"
#include "reference/matmul.h"

namespace assay {
namespace {

/// The exponent of a scale that is a power of two, 2^(e - 128), as draw_scale draws others; the contract's largest is 2^110.
uint8_t draw_power(InputClass c, Rng& rng) {
  const bool any = c == InputClass::wide || c == InputClass::special;
  const bool exact = c == InputClass::integers;  // 0.5, 1, 2
  return static_cast<uint8_t>(any ? rng.below(239) : exact ? 127 + rng.below(3) : 121 + rng.below(8));
}

// Where the product of two scales is subnormal, it is off by 2^-150, times an integer of up to 127 * 127 * 128 * 256.
constexpr double kMostOfUnderflow = 0x1p-121;

class MatmulTrial : public Trial {
 public:
  explicit MatmulTrial(const weight_format& format)
      : format_(format),
        reference_w_(*reference::find_format(format.gguf_type)),
        one_scale_(reference_w_.activations == reference::Activations::i8_s) {}

  Shape draw_shape(Rng& rng, uint64_t index) const override {
    const size_t unit = format_.elements;
    const size_t of_blocks = std::max<size_t>(256 / unit, 1);  // so that columns are as many for each format
    if (index % 150 == 148) {
      return draw_model_product(rng, index / 150, unit);
    }
    if (index % 128 == 127) {  // many panels and blocks
      return {rng.below(400), unit * rng.below(12 * of_blocks), rng.below(6)};
    }
    if (index % 128 == 126) {  // more tokens than are prepared at once
      return {rng.below(80), unit * rng.below(2 * of_blocks), 60 + rng.below(80)};
    }
    switch (rng.below(8)) {
      case 0:
        return {rng.below(200), unit * rng.below(4 * of_blocks), 1};  // decode
      case 1:
        return {64 * rng.below(4), unit * rng.below(2 * of_blocks), rng.below(4)};
      case 2:
        return {rng.below(4), unit * rng.below(3), rng.below(4)};
      case 3:
        return {rng.below(70), unit, rng.below(20)};
      case 4:
        return {rng.below(3), unit * rng.below(20 * of_blocks), rng.below(3)};
      case 5:
        return {rng.below(40), unit * rng.below(6 * of_blocks), rng.below(13)};
      default:
        return {rng.below(140), unit * rng.below(2 * of_blocks), rng.below(9)};
    }
  }

  void validate(const Kernel& kernel, const Shape& shape) const override {
    Trial::validate(kernel, shape);
    if (shape[1] % format_.elements != 0) {
      throw InputError(
          fmt::format("cols={} is no multiple of {}, the block of {}", shape[1], format_.elements, format_.name));
    }
    const auto names = kernel.dims();
    for (size_t i = 0; i < 3; ++i) {
      const size_t j = (i + 1) % 3;
      if (shape[i] * shape[j] > (size_t{1} << 30)) {
        throw InputError(fmt::format("{} x {} = {} x {} is over 2^30; a case that large does not fit the harness",
                                     names[i], names[j], shape[i], shape[j]));
      }
    }
  }

  void run(Case& c) const override {
    const size_t rows = c.dim(0);
    const size_t cols = c.dim(1);
    const size_t tokens = c.dim(2);
    auto* kernel = c.fn<matmul_fn>();
    const size_t w_bytes = cols / format_.elements * format_.bytes;
    const size_t x_bytes = reference::token_bytes(reference_w_.activations, cols);

    const ProductRows range = draw_product_rows(c, rows);

    const auto w = c.input<uint8_t>("w", rows * w_bytes, [&](std::span<uint8_t> bytes, Rng& rng) {
      fill_blocks(bytes, format_, c.input_class(), rng);
      for (size_t i = format_.d_at; format_.d_is_power && i < bytes.size(); i += format_.bytes) {
        bytes[i] = draw_power(c.input_class(), rng);
      }
      if (c.claim().exclude.contains(kCodeOfMinus128) && format_.gguf_type == find_format("q8_0").gguf_type) {
        without_code_of_minus128(bytes);
      }
    });
    const auto x = c.input<uint8_t>("x", tokens * x_bytes, [&](std::span<uint8_t> bytes, Rng& rng) {
      if (one_scale_) {
        fill_i8_s_tokens(bytes, tokens, c.input_class(), rng);
      } else if (reference_w_.activations == reference::Activations::q8_k) {
        fill_q8_k_blocks(bytes, c.input_class(), rng);
      } else {
        fill_blocks(bytes, find_format("q8_0"), c.input_class(), rng);
        if (c.claim().exclude.contains(kCodeOfMinus128)) {
          without_code_of_minus128(bytes);
        }
      }
    });
    const auto bias = c.input<float>("bias", range.has_bias ? rows : 0);
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

    const size_t x_block = reference::block_elements(reference_w_.activations, cols);
    const size_t group = one_scale_ ? cols : std::min(format_.elements, x_block);  // columns that share a scale of both
    const double terms = (one_scale_ ? 1.0 : static_cast<double>(cols) / static_cast<double>(group)) *
                         (format_.m_at == NOWHERE ? 1.0 : 2.0);
    const bool is_wide =
        format_.d_is_power != 0 || format_.are_floats != 0 || reference_w_.activations == reference::Activations::q8_k;
    const double underflow = is_wide ? kMostOfUnderflow : 0;  // the product of two fp16 is none
    const std::vector<size_t> judged =
        rows_to_judge(Rng(mix_seed(c.id().seed, 2)), range.begin, range.end, cols * tokens);
    reference::Weights weights;
    for (const size_t r : judged) {
      const auto decoded = reference::decode_in_parts(reference_w_, w.ref + r * w_bytes, cols / format_.elements);
      weights.scaled.insert(weights.scaled.end(), decoded.scaled.begin(), decoded.scaled.end());
      weights.offsets.insert(weights.offsets.end(), decoded.offsets.begin(), decoded.offsets.end());
    }
    for (size_t t = 0; t < tokens; ++t) {
      const reference::Token token = reference::decode_token(reference_w_.activations, x.ref + t * x_bytes, cols);
      float* row = y + t * range.ldy;
      c.expect_written("y", row + range.begin, range.end - range.begin);
      for (size_t i = 0; i < judged.size(); ++i) {
        const size_t r = judged[i];
        const reference::MatmulRow want = reference::matmul(weights, i, token, group);
        const double b = range.has_bias ? static_cast<double>(bias.ref[r]) : 0;
        const double value = want.special ? NAN : want.sum + b;
        const double sum_abs = want.sum_abs + (std::isfinite(b) ? std::fabs(b) : 0);
        // Scales of 0.5 and over and integers: no sum under 2^22 is rounded.
        const double magnitude =
            c.claim().exact_blocks ? sum_abs : reference::magnitude_of_products(weights, i, token) + std::fabs(b);
        const bool exact = c.exact_inputs() && magnitude < 0x1p22;
        const double bound = exact ? 0 : (terms + 4) * 0x1p-24 * sum_abs + 0x1p-140 + terms * underflow;
        const double claimed = exact || c.claim().exact_blocks ? 0 : (terms + 4) * 0x1p-24 * magnitude + bound;
        // A NaN that no NaN went into is Inf * 0 or Inf - Inf: Inf is right too.
        const bool inf_too = std::isnan(value) && !want.has_nan && !std::isnan(b);
        c.expect("y", t * range.ldy + r, row[r], {value, bound, inf_too || sum_abs * (1 + 0x1p-16) > FLT_MAX, claimed});
      }
    }
  }

  // Decode: one token; prefill: bound by arithmetic. Sizes of a small model's layers and of a large one's.
  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    // Weights that no cache holds: 4096 columns, 64 to 128 MiB.
    const size_t l3 = caches.l3 != 0 ? caches.l3 : size_t{8} << 20;
    const size_t row_bytes = 4096 / format_.elements * format_.bytes;
    const size_t memory_rows = std::clamp(4 * l3, size_t{64} << 20, size_t{128} << 20) / row_bytes / 64 * 64;
    return {{"decode-256", {256, 256, 1}},   {"decode-768", {768, 768, 1}},
            {"decode-3072", {3072, 768, 1}}, {"decode-mem", {memory_rows, 4096, 1}},
            {"prefill-768", {768, 768, 64}}, {"prefill-4096", {4096, 4096, 64}}};
  }

  Work work(const Shape& shape) const override {
    const auto rows = static_cast<double>(shape[0]);
    const auto cols = static_cast<double>(shape[1]);
    const auto tokens = static_cast<double>(shape[2]);
    const auto bytes = [&](size_t elements, size_t bytes_of_block) {
      return cols / static_cast<double>(elements) * static_cast<double>(bytes_of_block);
    };
    // A table of 16 has the sums of 4 / code_bits activations, of two bytes each: of use where that is more than one.
    const double ops_per_lookup = format_.code_bits <= 2 ? 4.0 / format_.code_bits : 0;
    return {2 * rows * cols * tokens,
            rows * (bytes(format_.elements, format_.bytes) + 4) +
                tokens * static_cast<double>(reference::token_bytes(reference_w_.activations, shape[1])),
            4 * tokens * rows,
            true,
            sums_in_16_bits(),
            ops_per_lookup};
  }

 private:
  /// Products of a code and an activation in pairs, as vpmaddubsw makes them.
  int sums_in_16_bits() const {
    if (format_.codes != nullptr) {
      return 1;  // numbers of a table, of eight bits
    }
    const int most = 32767 / (2 * ((1 << format_.code_bits) - 1) * 128);
    return most >= 8 ? 8 : most >= 4 ? 4 : most >= 2 ? 2 : 1;
  }

  const weight_format& format_;
  const reference::Format& reference_w_;
  bool one_scale_;  ///< of a token, with that of the tensor in it
};

}  // namespace

extern const Trial& matmul_trial(const char* format);
const Trial& matmul_trial(const char* format) { return trial_of_format<MatmulTrial>(format); }

}  // namespace assay
