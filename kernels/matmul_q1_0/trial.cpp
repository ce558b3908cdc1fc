#include <fmt/format.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>

#include "harness/check/trial.h"
#include "harness/check/values.h"
#include "harness/runtime/error.h"
#include "kernels/matmul_q1_0/kernel.h"
#include "reference/matmul_q1_0.h"

namespace assay {
namespace {

constexpr size_t kQ1Bytes = 18;  // fp16 and 128 bits
constexpr size_t kQ8Bytes = 34;  // fp16 and 32 int8

// In the class special a few scales of the whole buffer are special: were it one in 64, nearly every result would be
// NaN, and none would show that rows and tokens stay apart.
void put_specials(std::span<uint8_t> bytes, size_t block_bytes, Rng& rng) {
  constexpr uint64_t kSpecials[] = {0x7e00, 0xfe00, 0x7c01, 0x7c00, 0xfc00, 0x0000, 0x8000, 0x0001};
  const size_t blocks = bytes.size() / block_bytes;
  for (uint64_t left = blocks == 0 ? 0 : rng.below(4); left > 0; --left) {
    put_half(&bytes[rng.below(blocks) * block_bytes], kSpecials[rng.below(std::size(kSpecials))]);
  }
}

void fill_weights(std::span<uint8_t> bytes, InputClass c, Rng& rng) {
  const uint64_t every = (rng.next() & 1) != 0 ? 0xff : 0;
  for (size_t at = 0; at < bytes.size(); at += kQ1Bytes) {
    put_half(&bytes[at], draw_scale(c, rng));
    for (size_t i = 0; i < 16; i += 8) {
      const uint64_t random = rng.next();
      for (size_t j = 0; j < 8; ++j) {
        uint64_t bits = random >> 8 * j;
        if (c == InputClass::extreme) {
          bits = every;
        } else if (c == InputClass::cancellation) {
          bits = (bits & 0x55) | (~(bits << 1) & 0xaa);  // one of each pair: equal activations cancel
        }
        bytes[at + 2 + i + j] = static_cast<uint8_t>(bits);
      }
    }
  }
  if (c == InputClass::special) {
    put_specials(bytes, kQ1Bytes, rng);
  }
}

void fill_activations(std::span<uint8_t> bytes, InputClass c, Rng& rng) {
  const uint64_t end = (rng.next() & 1) != 0 ? 0x80 : 0x7f;
  const uint64_t one_value = rng.next();
  for (size_t at = 0; at < bytes.size(); at += kQ8Bytes) {
    put_half(&bytes[at], draw_scale(c, rng));
    uint64_t previous = 0;
    for (size_t i = 0; i < 32; i += 8) {
      const uint64_t random = rng.next();
      for (size_t j = 0; j < 8; ++j) {
        uint64_t q = random >> 8 * j;
        switch (c) {
          case InputClass::integers:
            q = (q & 15) - 8;
            break;
          case InputClass::extreme:
            q = end;
            break;
          case InputClass::constant:
            q = one_value;
            break;
          case InputClass::cancellation:
            // Pairs of nearly equal large values.
            q = j % 2 == 0 ? (previous = 0x60 + (q & 31)) : previous - (q % 8 == 0 ? 1 : 0);
            break;
          default:
            break;
        }
        bytes[at + 2 + i + j] = static_cast<uint8_t>(q);
      }
    }
  }
  if (c == InputClass::special) {
    put_specials(bytes, kQ8Bytes, rng);
  }
}

class MatmulQ1Trial : public Trial {
 public:
  Shape draw_shape(Rng& rng, uint64_t index) const override {
    if (index % 128 == 127) {  // many tiles and steps of columns
      return {rng.below(400), 128 * rng.below(24), rng.below(6)};
    }
    if (index % 128 == 126) {  // many tokens
      return {rng.below(150), 128 * rng.below(7), rng.below(20)};
    }
    switch (rng.below(8)) {
      case 0:
        return {rng.below(200), 128 * rng.below(8), 1};  // decode
      case 1:
        return {64 * rng.below(4), 128 * rng.below(4), rng.below(4)};
      case 2:
        return {rng.below(4), 128 * rng.below(3), rng.below(4)};
      case 3:
        return {rng.below(70), 128, rng.below(14)};
      case 4:
        return {rng.below(3), 128 * rng.below(40), rng.below(3)};
      case 5:
        return {rng.below(40), 128 * rng.below(14), rng.below(9)};  // groups of tokens and steps of columns
      default:
        return {rng.below(140), 128 * rng.below(4), rng.below(7)};
    }
  }

  void validate(const Kernel& kernel, const Shape& shape) const override {
    Trial::validate(kernel, shape);
    if (shape[1] % 128 != 0) {
      throw InputError(fmt::format("cols={} is no multiple of 128, the block of Q1_0", shape[1]));
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
    auto* kernel = c.fn<matmul_q1_0_fn>();
    auto* pack = c.pack<matmul_q1_0_pack_fn>();

    // Timing: all rows, densely packed, with a bias. Fuzzing: any range of whole tiles, and gaps between the tokens.
    size_t row_begin = 0;
    size_t row_end = rows;
    size_t ldy = rows;
    bool has_bias = true;
    if (!c.timing()) {
      Rng& rng = c.rng();
      if (rng.below(2) == 0) {
        row_begin = 64 * rng.below(rows / 64 + 1);
        row_end = std::min(rows, row_begin + 64 * rng.below((rows - row_begin) / 64 + 2));
      }
      ldy += rng.below(2) * rng.below(20);
      has_bias = rng.below(3) != 0;
    }

    const auto w = c.input<uint8_t>("w", rows * (cols / 128) * kQ1Bytes, [&](std::span<uint8_t> bytes, Rng& rng) {
      fill_weights(bytes, c.input_class(), rng);
    });
    const auto x = c.input<uint8_t>("x", tokens * (cols / 32) * kQ8Bytes, [&](std::span<uint8_t> bytes, Rng& rng) {
      fill_activations(bytes, c.input_class(), rng);
    });
    const auto bias = c.input<float>("bias", has_bias ? rows : 0);
    auto* y = c.output<float>("y", tokens == 0 ? 0 : (tokens - 1) * ldy + rows);
    auto* scratch = c.scratch<uint8_t>("scratch", 64);

    const size_t bytes = pack(nullptr, nullptr, rows, cols);
    size_t bytes_again = bytes;
    const void* packed = c.packed("packed", bytes, [&](void* to) {
      std::memset(to, 0xff, bytes);  // NaN: what pack leaves out must not reach a result
      bytes_again = pack(to, w.data, rows, cols);
    });

    const matmul_args args = {y,      packed,    x.data, has_bias ? bias.data : nullptr, scratch, ldy, rows, cols,
                                   tokens, row_begin, row_end};
    c.call(kernel, &args);
    if (c.timing()) {
      return;
    }

    c.expect_equal("pack's size", 0, static_cast<int64_t>(bytes_again), static_cast<int64_t>(bytes));
    c.expect_equal("w after pack", 0, w.count == 0 ? 0 : std::memcmp(w.data, w.ref, w.count), 0);
    for (size_t t = 0; t < tokens; ++t) {
      float* row = y + t * ldy;
      c.expect_untouched("y before row_begin", row, row_begin);
      c.expect_untouched("y from row_end on", row + row_end, (t + 1 < tokens ? ldy : rows) - row_end);
      for (size_t r = row_begin; r < row_end; ++r) {
        const reference::MatmulQ1 want =
            reference::matmul_q1_0(w.ref + r * (cols / 128) * kQ1Bytes, x.ref + t * (cols / 32) * kQ8Bytes, cols);
        const double b = has_bias ? static_cast<double>(bias.ref[r]) : 0;
        const double value = want.sum + b;
        const double sum_abs = want.sum_abs + (std::isfinite(b) ? std::fabs(b) : 0);
        const double bound = c.exact_inputs() ? 0 : (static_cast<double>(cols) / 32 + 8) * 0x1p-24 * sum_abs + 0x1p-140;
        // A NaN that no NaN went into is Inf * 0 or Inf - Inf: Inf is right too.
        const bool inf_too = std::isnan(value) && !want.has_nan && !std::isnan(b);
        c.expect("y", t * ldy + r, row[r], {value, bound, inf_too || sum_abs * (1 + 0x1p-16) > FLT_MAX});
      }
    }
  }

  // Decode: one token; prefill: bound by arithmetic. Sizes of GPT-2's layers.
  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    // Weights that no cache holds: 4096 columns, 32 to 64 MiB of bits.
    const size_t l3 = caches.l3 != 0 ? caches.l3 : size_t{8} << 20;
    const size_t memory_rows = std::clamp(4 * l3, size_t{32} << 20, size_t{64} << 20) / (4096 / 8);
    return {{"decode-256", {256, 256, 1}},          {"decode-768", {768, 768, 1}},   {"decode-3072", {3072, 768, 1}},
            {"decode-mem", {memory_rows, 4096, 1}}, {"prefill-256", {256, 256, 64}}, {"prefill-768", {768, 768, 64}},
            {"prefill-3072", {3072, 768, 64}}};
  }

  Work work(const Shape& shape) const override {
    const auto rows = static_cast<double>(shape[0]);
    const auto cols = static_cast<double>(shape[1]);
    const auto tokens = static_cast<double>(shape[2]);
    constexpr double kOpsPerLookup = 4;  // a sum of four signed bytes is 8 and takes two bytes from tables
    return {2 * rows * cols * tokens, rows * cols / 128 * 18 + tokens * cols / 32 * 34, 4 * tokens * rows, true,
            kOpsPerLookup};
  }
};

}  // namespace

extern const Trial& matmul_q1_0_trial();
const Trial& matmul_q1_0_trial() {
  static const MatmulQ1Trial trial;
  return trial;
}

}  // namespace assay
