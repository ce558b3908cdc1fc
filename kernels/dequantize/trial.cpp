#include <algorithm>
#include <cfloat>
#include <cmath>
#include <string>
#include <vector>

#include "harness/check/blocks.h"
#include "harness/check/format_trial.h"
#include "harness/check/values.h"
#include "harness/runtime/formats.h"
#include "kernels/dequantize/kernel.h"
#include "reference/formats.h"

namespace assay {
namespace {

class DequantizeTrial : public Trial {
 public:
  explicit DequantizeTrial(const weight_format& format)
      : format_(format), reference_(*reference::find_format(format.gguf_type)) {}

  Shape draw_shape(Rng& rng, uint64_t index) const override {
    if (of_floats()) {
      return Trial::draw_shape(rng, index);
    }
    // Blocks are independent: four times as many elements as other kernels are given are enough.
    return {format_.elements * (index < 40 ? index : 4 * draw_length(rng, 1000 + index) / format_.elements)};
  }

  void validate(const Kernel& kernel, const Shape& shape) const override {
    Trial::validate(kernel, shape);
    expect_whole_blocks(shape[0], format_.elements, format_.name);
  }

  void run(Case& c) const override {
    const size_t n = c.dim(0);
    const size_t blocks = n / format_.elements;
    auto* kernel = c.fn<dequantize_fn>();
    const auto x =
        c.input<uint8_t>("x", blocks * format_.bytes, [&](std::span<uint8_t> bytes, Rng& rng) { fill(bytes, c, rng); });
    auto* y = c.output<float>("y", n);
    c.call(kernel, y, static_cast<const void*>(x.data), n);
    if (c.timing()) {
      return;
    }
    std::vector<double> weights(format_.elements);
    std::vector<double> products(format_.elements);
    std::vector<double> offsets(format_.elements);
    const bool rounds_twice = format_.are_floats != 0 && format_.m_at != NOWHERE;
    for (size_t block = 0; block < blocks; ++block) {
      reference_.decode(x.ref + block * format_.bytes, weights.data());
      if (rounds_twice) {
        reference_.parts(x.ref + block * format_.bytes, products.data(), offsets.data());
      }
      for (size_t j = 0; j < format_.elements; ++j) {
        const size_t i = block * format_.elements + j;
        if (rounds_twice) {
          const double size = std::fabs(products[j]) + std::fabs(weights[j]);
          c.expect("y", i, y[i], {weights[j], 0x1.001p-24 * size + 0x1p-148, false});
        } else {
          c.expect_bits("y", i, y[i], static_cast<float>(weights[j]));
        }
      }
    }
  }

  std::vector<ShapeClass> shape_classes(const CacheInfo& caches) const override {
    // Rows of an embedding, and what is made of a whole tensor piece by piece.
    const size_t l2 = caches.l2 != 0 ? caches.l2 : size_t{512} << 10;
    return {{"row", {4096}}, {"L2", {l2 / 2 / 8 / 256 * 256}}};
  }

  Shape large_shape() const override { return {(size_t{1} << 29) + format_.elements * 133}; }

  /// A product for each value, and a sum where the format has an m.
  Work work(const Shape& shape) const override {
    const auto n = static_cast<double>(shape[0]);
    const double blocks = n / static_cast<double>(format_.elements);
    return {of_floats() ? 0 : format_.m_at == NOWHERE ? n : 2 * n, blocks * static_cast<double>(format_.bytes), 4 * n};
  }

 private:
  bool of_floats() const { return format_.values == nullptr; }

  // As fill_blocks does, of many floats the first are drawn and then repeated.
  void fill(std::span<uint8_t> bytes, const Case& c, Rng& rng) const {
    if (!of_floats()) {
      fill_blocks(bytes, format_, c.input_class(), rng);
      return;
    }
    const size_t drawn = 1000003 * format_.bytes;
    const auto first = bytes.first(std::min(drawn, bytes.size()));
    if (c.input_class() == InputClass::wide) {  // everything that the format has
      std::ranges::generate(first, [&] { return static_cast<uint8_t>(rng.next()); });
    } else {
      std::vector<float> values(first.size() / format_.bytes);
      fill_class(values, c.input_class(), rng);
      simplify(values, c.id());
      encode_floats(first, format_, values);
    }
    repeat_first(bytes, drawn);
  }

  const weight_format& format_;
  const reference::Format& reference_;
};

}  // namespace

extern const Trial& dequantize_trial(const char* format);
const Trial& dequantize_trial(const char* format) { return trial_of_format<DequantizeTrial>(format); }

}  // namespace assay
