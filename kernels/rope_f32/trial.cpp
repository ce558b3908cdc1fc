#include <fmt/format.h>

#include <bit>
#include <cfloat>
#include <cmath>

#include "harness/check/trial.h"
#include "harness/runtime/error.h"
#include "kernels/rope_f32/kernel.h"
#include "reference/rope_f32.h"

namespace assay {
namespace {

/// Those of a model, divided by something up to 32 as long contexts are, or any.
void fill_frequencies(std::span<double> frequencies, Rng& rng) {
  constexpr double kBases[] = {1e4, 1e4, 1e5, 5e5, 1e6};
  const double base = kBases[rng.below(5)];
  const double factor = rng.below(3) == 0 ? 1 + 31 * static_cast<double>(rng.uniform()) : 1;
  const bool any = rng.below(4) == 0;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double exponent = static_cast<double>(i) / static_cast<double>(frequencies.size());
    frequencies[i] = any ? 2 * static_cast<double>(rng.uniform()) - 1 : std::pow(base, -exponent) / factor;
  }
}

void fill_positions(std::span<uint32_t> positions, Rng& rng) {
  for (uint32_t& p : positions) {
    p = static_cast<uint32_t>(rng.below((uint64_t{1} << rng.below(21)) + 1));
  }
}

/// Which elements are a pair, and how they are scaled.
struct Form {
  size_t half;
  bool halves;
  float scale;

  size_t first(size_t i) const { return halves ? i : 2 * i; }
  size_t second(size_t i) const { return halves ? i + half : 2 * i + 1; }
};

class RopeF32Trial : public Trial {
 public:
  std::vector<std::string> aliases() const override { return {"none", "y=x"}; }

  Shape draw_shape(Rng& rng, uint64_t index) const override {
    constexpr Shape (*kOfModels[])(Rng&) = {
        [](Rng& r) { return Shape{1 + r.below(3), 32, 128, 128}; },
        [](Rng& r) { return Shape{1 + r.below(40), 4, 64, 64}; },
        [](Rng& r) { return Shape{1 + r.below(4), 16, 256, 64}; },
        [](Rng& r) { return Shape{1 + r.below(3), 40, 128, 32}; },
        [](Rng& r) { return Shape{1 + r.below(9), 8, 100, 100}; },
        [](Rng& r) { return Shape{1 + r.below(9), 32, 96, 96}; },
    };
    if (index % 50 == 48) {
      return kOfModels[index / 50 % 6](rng);
    }
    if (index < 400) {  // every size of a head, and what is rotated of it: all, or some
      const size_t d = index % 201;
      return {index % 4, 1 + index % 3, d, index % 2 == 0 ? d / 2 * 2 : rng.below(d / 2 + 1) * 2};
    }
    const size_t d = rng.below(32) == 0 ? round_length(rng, 4096) : rng.below(300);
    return {rng.below(4), rng.below(5), d, rng.below(2) == 0 ? d / 2 * 2 : rng.below(d / 2 + 1) * 2};
  }

  void validate(const Kernel&, const Shape& shape) const override {
    if (shape[3] % 2 != 0 || shape[3] > shape[2]) {
      throw InputError(fmt::format("rope_f32: rotated={} is outside the contract; it is even, and at most d={}",
                                   shape[3], shape[2]));
    }
    for (const size_t size : shape) {
      if (size > (1u << 20)) {
        throw InputError(
            fmt::format("rope_f32: a size of {} is over 2^20; a case that large does not fit the harness", size));
      }
    }
    if (static_cast<double>(shape[0]) * static_cast<double>(shape[1]) * static_cast<double>(shape[2]) > 0x1p26) {
      throw InputError("rope_f32: tokens * heads * d is over 2^26; a case that large does not fit the harness");
    }
  }

  void run(Case& c) const override {
    const size_t tokens = c.dim(0);
    const size_t heads = c.dim(1);
    const size_t d = c.dim(2);
    const size_t rotated = c.dim(3);
    auto* kernel = c.fn<rope_f32_fn>();
    const auto gap = [&] { return c.timing() ? 0 : c.rng().below(4); };
    const size_t ldx = heads * d + gap();
    const size_t ldy = c.alias() == 1 ? ldx : heads * d + gap();
    const auto extent = [&](size_t ld) { return tokens == 0 ? 0 : (tokens - 1) * ld + heads * d; };
    // Timed are halves, as most models have them, but LLaMA's pairs for heads of 64.
    Form form{rotated / 2, d != 64, 1};
    if (!c.timing()) {
      form.halves = c.rng().below(2) == 0;
      form.scale =
          c.rng().below(4) == 0 ? std::ldexp(1 + c.rng().uniform(), static_cast<int>(c.rng().between(-20, 19))) : 1;
    }
    const auto x = c.input<float>("x", extent(ldx));
    const auto frequencies = c.input<double>("frequencies", rotated / 2, fill_frequencies);
    const auto positions = c.input<uint32_t>("positions", tokens, fill_positions);
    auto* scratch = c.scratch<float>("scratch", 64);
    auto* y = c.output<float>("y", extent(ldy), c.alias() == 1 ? &x : nullptr);
    const rope_f32_args args = {y, x.data,  frequencies.data, positions.data,     scratch, ldy, ldx, tokens, heads,
                                d, rotated, form.scale,       form.halves ? 1 : 0};
    for (size_t t = 0; t + 1 < tokens && c.alias() == 0 && !c.timing(); ++t) {
      c.keep_out("y", y + t * ldy + heads * d, ldy - heads * d);
    }
    c.call(kernel, c.arguments(args));
    if (c.timing()) {
      return;
    }
    for (size_t t = 0; t < tokens; ++t) {
      std::vector<reference::Turn> turns;
      for (size_t i = 0; i < form.half; ++i) {
        turns.push_back(reference::turn_of(positions.ref[t], frequencies.ref[i]));
      }
      for (size_t h = 0; h < heads; ++h) {
        judge_head(c, form, turns, x.ref + t * ldx + h * d, y, t * ldy + h * d);
      }
      for (size_t i = heads * d; i < ldy && t + 1 < tokens && c.alias() == 1; ++i) {
        c.expect_bits("a gap of y", t * ldy + i, y[t * ldy + i], x.ref[t * ldx + i]);
      }
    }
  }

  size_t scaled_sizes() const override { return 2; }

  std::vector<ShapeClass> shape_classes(const CacheInfo&) const override {
    return {{"decode-32x128", {1, 32, 128, 128}},
            {"decode-8x128", {1, 8, 128, 128}},
            {"decode-32x64", {1, 32, 64, 64}},
            {"prefill-64x32x128", {64, 32, 128, 128}},
            {"prefill-64x16x64of256", {64, 16, 256, 64}}};
  }

  // Of each pair four products and two sums; for a token the angle, sine and cosine of each frequency: 1 + 6 + 7 + 9 + 2, a
  // fused operation counted twice. What is copied moves only.
  Work work(const Shape& shape) const override {
    const auto tokens = static_cast<double>(shape[0]);
    const double floats = tokens * static_cast<double>(shape[1] * shape[2]);
    const double half = static_cast<double>(shape[3]) / 2;
    return {tokens * half * (6 * static_cast<double>(shape[1]) + 25), 4 * floats + 8 * half + 4 * tokens, 4 * floats};
  }

 private:
  static void judge_head(Case& c, const Form& form, const std::vector<reference::Turn>& turns, const float* x,
                         const float* y, size_t at) {
    for (size_t i = 0; i < form.half; ++i) {
      const float a = x[form.first(i)];
      const float b = x[form.second(i)];
      const size_t first = at + form.first(i);
      const size_t second = at + form.second(i);
      const reference::TurnedPair want = reference::rope_f32(turns[i], a, b, form.scale);
      const bool nan = std::isnan(a) || std::isnan(b);
      if (nan || std::isinf(a) || std::isinf(b)) {
        c.expect("y", first, y[first], {NAN, 0, !nan});
        c.expect("y", second, y[second], {NAN, 0, !nan});
        continue;
      }
      const double sum =
          static_cast<double>(form.scale) * (std::fabs(static_cast<double>(a)) + std::fabs(static_cast<double>(b)));
      const double least = 0x1p-28 * sum + 0x1p-147;
      const bool overflow = sum * (1 + 0x1p-20) > FLT_MAX;
      c.expect("y", first, y[first], {want.first, 3 * 0x1p-24 * want.first_abs + least, overflow});
      c.expect("y", second, y[second], {want.second, 3 * 0x1p-24 * want.second_abs + least, overflow});
    }
    const size_t d = c.dim(2);
    for (size_t i = 2 * form.half; i < d; ++i) {
      c.expect_bits("y", at + i, y[at + i], x[i]);
    }
  }
};

}  // namespace

extern const Trial& rope_f32_trial();
const Trial& rope_f32_trial() {
  static const RopeF32Trial trial;
  return trial;
}

}  // namespace assay
