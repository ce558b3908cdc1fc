#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <string>
#include <vector>

#include "harness/check/format_trial.h"
#include "harness/check/values.h"
#include "harness/runtime/error.h"
#include "kernels/quantize/kernel.h"
#include "reference/formats.h"
#include "reference/quantize.h"
#include "reference/search.h"

namespace assay {
namespace {

class QuantizeTrial : public Trial {
 public:
  explicit QuantizeTrial(const weight_format& format)
      : format_(format),
        reference_(*reference::find_format(format.gguf_type)),
        rule_(reference::find_quantize(format.gguf_type)),
        searched_(reference::find_searched(format.gguf_type)) {
    if ((rule_ == nullptr) == (searched_ == nullptr)) {
      throw InputError(fmt::format("reference/quantize.cpp does not say how {} is written", format.name));
    }
  }

  // Blocks are independent. A search takes long.
  Shape draw_shape(Rng& rng, uint64_t index) const override {
    const size_t most = searched_ != nullptr ? 256 / format_.elements * 4 : 40;
    return {format_.elements * (index < 8 ? index : rng.below(most))};
  }

  void validate(const Kernel& kernel, const Shape& shape) const override {
    Trial::validate(kernel, shape);
    expect_whole_blocks(shape[0], format_.elements, format_.name);
  }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    auto* kernel = c.fn<quantize_fn>();
    const auto x = c.input<float>("x", n, [&](std::span<float> v, Rng& rng) {
      fill_class(v, c.input_class(), rng);
      for (size_t i = 0; i < n && !c.timing(); i += format_.elements) {
        edit_block(v.subspan(i, format_.elements), c.input_class(), rng);
      }
      // One value that no block holds, often at an end of its block: what lies behind that block is not judged.
      if (c.input_class() == InputClass::special && n > 0 && !c.timing()) {
        const size_t block = rng.below(n / format_.elements) * format_.elements;
        const size_t places[] = {0, format_.elements - 1, rng.below(format_.elements)};
        v[block + places[rng.below(3)]] = special_value(rng);
      }
    });
    auto* dst = c.output<uint8_t>("dst", n / format_.elements * format_.bytes);
    const size_t written = c.call(kernel, static_cast<void*>(dst), x.data, n);
    if (c.timing()) {
      return;
    }
    for (size_t i = 0; i < n; i += format_.elements) {
      const uint8_t* const block = dst + i / format_.elements * format_.bytes;
      const bool is_finite =
          std::all_of(x.ref + i, x.ref + i + format_.elements, [](float v) { return std::isfinite(v); });
      const bool goes_on = is_finite && (rule_ != nullptr ? judge_rule(c, i, block, x.ref + i, written)
                                                          : judge_search(i, block, x.ref + i, written));
      if (!goes_on) {
        c.expect_equal("weights written before a block that cannot be held", 0, static_cast<int64_t>(written),
                       static_cast<int64_t>(i));
        return;
      }
    }
    c.expect_equal("weights written", 0, static_cast<int64_t>(written), static_cast<int64_t>(n));
  }

  // A row of a large matrix: a file is written row by row.
  std::vector<ShapeClass> shape_classes(const CacheInfo&) const override { return {{"row", {4096}}}; }

  // A product and a comparison for each weight, at least.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    return {2 * n, 4 * n, n / static_cast<double>(format_.elements) * static_cast<double>(format_.bytes)};
  }

 private:
  // False: the block cannot be held, and the rest is free.
  bool judge_rule(Case& c, size_t i, const uint8_t* block, const float* x, size_t written) const {
    std::vector<uint8_t> want(format_.bytes);
    if (!rule_(want.data(), x)) {
      return false;
    }
    for (size_t b = 0; b < format_.bytes && written > i; ++b) {
      c.expect_equal("byte", i / format_.elements * format_.bytes + b, block[b], want[b]);
    }
    return true;
  }

  bool judge_search(size_t i, const uint8_t* block, const float* x, size_t written) const {
    const auto want = reference::search(*searched_, x);
    if (!want) {
      return false;
    }
    if (written > i) {
      std::vector<double> got(format_.elements);
      reference_.decode(block, got.data());
      for (size_t e = 0; e < format_.elements; ++e) {
        if (got[e] != (*want)[e]) {
          throw Mismatch(
              fmt::format("weight {} is {}, where the search of the contract finds {}", i + e, got[e], (*want)[e]));
        }
      }
    }
    return true;
  }

  // Half of the blocks keep the class; the others meet the corners of the contract.
  void edit_block(std::span<float> x, InputClass c, Rng& rng) const {
    const auto sign = [&] { return rng.below(2) == 0 ? 1.0f : -1.0f; };
    switch (rng.below(16)) {
      case 0:  // one value all over, or with one other
        std::ranges::fill(x, sign() * rng.normal());
        x[rng.below(x.size())] *= static_cast<float>(rng.below(3));
        break;
      case 1:
        std::ranges::fill(x, rng.below(2) == 0 ? 0.0f : -0.0f);
        break;
      case 2: {  // codes in the midst between two: their ties, for each number of codes
        constexpr int kEnds[] = {1, 7, 8, 15, 16, 31, 127};
        const auto end = kEnds[rng.below(std::size(kEnds))];
        const float step = std::ldexp(1.0f, static_cast<int>(rng.between(-10, 3)));
        for (float& v : x) {
          v = sign() * step * 0.5f * static_cast<float>(rng.below(2 * end));
        }
        x[rng.below(x.size())] = sign() * step * static_cast<float>(end);
        break;
      }
      case 3: {  // the scale is among the subnormal fp16, or about the largest
        const int exponent = static_cast<int>(rng.below(2) == 0 ? rng.between(-30, -12) : rng.between(12, 22));
        for (float& v : x) {
          v = std::ldexp(rng.normal(), exponent);
        }
        break;
      }
      case 4:  // one outlier
        x[rng.below(x.size())] = 100 * rng.normal();
        break;
      case 5:  // all on one side
        for (float& v : x) {
          v = std::fabs(v) + (rng.below(2) == 0 ? 1.0f : 0.0f);
        }
        break;
      case 6:  // magnitudes that differ from group to group
        for (size_t i = 0; i < x.size(); i += 16) {
          const int exponent = static_cast<int>(rng.between(-12, 4));
          for (float& v : x.subspan(i, 16)) {
            v = std::ldexp(rng.normal(), exponent);
          }
        }
        break;
      case 7:  // whose squares, and more, are no floats
        std::ranges::generate(x, [&] { return std::ldexp(rng.normal(), -140); });
        break;
      default:
        if (c == InputClass::special) {  // else every first block would be refused
          std::ranges::generate(x, [&] { return rng.normal(); });
        }
        break;
    }
  }

  const weight_format& format_;
  const reference::Format& reference_;
  reference::Quantize* rule_;
  const reference::Searched* searched_;
};

}  // namespace

extern const Trial& quantize_trial(const char* format);
const Trial& quantize_trial(const char* format) { return trial_of_format<QuantizeTrial>(format); }

}  // namespace assay
