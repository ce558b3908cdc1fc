#include "harness/check/trial.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#include "harness/runtime/error.h"
#include "kernels/attention_f32/kernel.h"
#include "reference/attention_f32.h"

namespace assay {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// `rows` rows of d floats, ld floats apart; the last row has no gap behind it, so that the guard
/// page is there.
struct Rows {
  size_t rows, d, ld;
  size_t count() const { return rows == 0 ? 0 : (rows - 1) * ld + d; }
  /// What is read in the gaps by mistake is seen in the result.
  void spoil_gaps(std::span<float> x) const {
    for (size_t r = 0; r + 1 < rows; ++r) {
      std::fill_n(x.begin() + static_cast<std::ptrdiff_t>(r * ld + d), ld - d, kNan);
    }
  }
};

/// Between subnormal and huge values products would all be 0 or Inf; one factor of the other kind
/// brings them near 1.
InputClass class_of_q(InputClass c) {
  return c == InputClass::huge ? InputClass::subnormals : c == InputClass::subnormals ? InputClass::huge : c;
}

void fill_q(std::span<float> q, InputClass c, Rng& rng) {
  if (c == InputClass::absorbed) {  // scores that are sums, or all 0 for results that are
    std::ranges::fill(q, static_cast<float>(rng.below(2)));
    return;
  }
  fill_class(q, class_of_q(c) == InputClass::special ? InputClass::normal : class_of_q(c), rng);
  if (c == InputClass::huge) {
    std::ranges::replace_if(
        q, [](float x) { return std::fabs(x) < FLT_MIN; }, FLT_MIN);
  }
  if (c == InputClass::special) {
    // Positive, so that one -Inf in a key masks it.
    std::ranges::transform(q, q.begin(), [](float x) { return std::fabs(x) + 0x1p-10f; });
    if (!q.empty() && rng.below(8) == 0) {
      q[rng.below(q.size())] = rng.below(2) == 0 ? kNan : kInf;
    }
  }
}

void fill_k(std::span<float> k, const Rows& shape, InputClass c, Rng& rng) {
  if (c == InputClass::absorbed) {  // each row: a score is its sum
    for (size_t r = 0; r < shape.rows; ++r) {
      fill_class(k.subspan(r * shape.ld, shape.d), c, rng);
    }
    return;
  }
  if (c != InputClass::special) {
    fill_class(k, c, rng);
    return;
  }
  fill_class(k, InputClass::normal, rng);
  const uint64_t kept_in_8 = rng.below(9);
  for (size_t r = 0; r < shape.rows; ++r) {
    float& x = k[r * shape.ld + rng.below(shape.d)];
    x = rng.below(8) < kept_in_8 ? x : -kInf;
    x = rng.below(64) == 0 ? (rng.below(2) == 0 ? kNan : kInf) : x;
  }
}

void fill_v(std::span<float> v, const Rows& shape, InputClass c, Rng& rng) {
  if (c == InputClass::absorbed) {  // each column: a result is its weighted sum
    for (size_t i = 0; i < v.size(); ++i) {
      v[i] = i < shape.ld ? 1.0f : 0x1p-24f;
    }
    return;
  }
  if (c != InputClass::special) {
    fill_class(v, c, rng);
    return;
  }
  fill_class(v, InputClass::normal, rng);
  if (rng.below(2) == 0) {
    for (float& x : v) {
      const uint64_t r = rng.below(256);
      x = r == 0 ? kNan : r == 1 ? kInf : r == 2 ? -kInf : x;
    }
  }
}

/// A NaN in a key that only the later queries see: rows before it must not know of it.
void spoil_future(std::span<float> x, const Rows& shape, size_t n_q, Rng& rng) {
  if (n_q >= 2 && rng.below(4) == 0) {
    const size_t first_row_to_see_it = 1 + rng.below(n_q - 1);
    x[(shape.rows - n_q + first_row_to_see_it) * shape.ld + rng.below(shape.d)] = rng.below(2) == 0 ? kNan : kInf;
  }
}

double largest_finite(const float* x, size_t n) {
  double largest = 0;
  for (size_t i = 0; i < n; ++i) {
    largest = std::isfinite(x[i]) ? std::max(largest, std::fabs(static_cast<double>(x[i]))) : largest;
  }
  return largest;
}

class AttentionF32Trial : public Trial {
 public:
  Shape draw_shape(Rng& rng, uint64_t index) const override {
    if (index % 150 == 148) {  // of a model's size
      constexpr size_t kWide[] = {64, 64, 128, 80};
      switch (index / 150 % 4) {
        case 0:
          return {1, 2048 + rng.below(2100), kWide[rng.below(4)]};
        case 1:
          return {63 + rng.below(3), 900 + rng.below(200), kWide[rng.below(4)]};
        case 2:
          return {3 + rng.below(4), 2000 + rng.below(100), kWide[rng.below(4)]};
        default:
          return {127 + rng.below(4), rng.below(260), kWide[rng.below(4)]};
      }
    }
    if (index % 125 == 124) {  // long sums of both kinds
      return {1 + rng.below(3), rng.below(300), 300 + rng.below(700)};
    }
    if (index >= 250 && index < 400) {  // calls that can be stepped to their end
      return {2 + rng.below(3), rng.below(3), 1 + rng.below(5)};
    }
    if (index < 400) {
      return {index % 4, index % 37, 1 + index % 201};
    }
    if (rng.below(32) == 0) {
      // Tiles of 4, 8, 16 and 32 queries and what is left beside them, at either side of a few blocks of keys.
      const size_t n_q = (size_t{4} << rng.below(4)) * rng.below(3) + rng.below(9);
      return {n_q, rng.below(2) == 0 ? 0 : rng.below(70), rng.below(4) == 0 ? 64 : 1 + rng.below(100)};
    }
    if (rng.below(512) == 0) {
      return {64 + rng.below(9), 2048 - 64 + rng.below(64), 1 + rng.below(40)};
    }
    constexpr size_t kHeadSizes[] = {64, 64, 64, 80, 96, 128, 48, 256};
    const size_t d = rng.below(2) == 0    ? 1 + rng.below(140)
                     : rng.below(32) == 0 ? 1 + rng.below(700)
                                          : kHeadSizes[rng.below(8)];
    const size_t n_q = rng.below(16) == 0 ? rng.below(40) : rng.below(4);
    const size_t pos = rng.below(32) == 0 ? rng.below(1100) : rng.below(4) == 0 ? rng.below(300) : rng.below(40);
    return {n_q, pos, d};
  }

  std::optional<InputClass> class_for(uint64_t index, const Shape&) const override {
    return index % 125 == 124 ? std::optional(InputClass::absorbed) : std::nullopt;
  }

  void validate(const Kernel&, const Shape& shape) const override {
    if (shape[2] == 0) {
      throw InputError("attention_f32: d=0 is outside the contract; a head has at least 1 element");
    }
    if (shape[0] > (1u << 20) || shape[1] > (1u << 20) || shape[2] > (1u << 20) ||
        (shape[0] + shape[1]) * shape[2] > (size_t{1} << 26)) {
      throw InputError(
          "attention_f32: (n_q + pos) * d is over 2^26; a case that large does not fit the "
          "harness");
    }
  }

  void run(Case& c) const override {
    const size_t n_q = c.dim(0);
    const size_t pos = c.dim(1);
    const size_t d = c.dim(2);
    auto* attention = c.fn<attention_f32_fn>();
    // As in the runner for timing: the 12 heads of GPT-2's smallest model side by side, q in rows
    // of q, k and v.
    const auto stride = [&](size_t heads) {
      return c.timing() ? heads * d : d + (c.rng().below(4) == 0 ? c.rng().below(100) : c.rng().below(4));
    };
    const Rows out_rows{n_q, d, stride(12)};
    const Rows q_rows{n_q, d, stride(36)};
    const Rows k_rows{pos + n_q, d, stride(12)};
    const Rows v_rows{pos + n_q, d, stride(12)};
    const auto q = c.input<float>("q", q_rows.count(), [&](std::span<float> x, Rng& rng) {
      fill_q(x, c.input_class(), rng);
      q_rows.spoil_gaps(x);
    });
    const auto k = c.input<float>("k", k_rows.count(), [&](std::span<float> x, Rng& rng) {
      fill_k(x, k_rows, c.input_class(), rng);
      k_rows.spoil_gaps(x);
      if (!c.timing()) {
        spoil_future(x, k_rows, n_q, rng);
      }
    });
    const auto v = c.input<float>("v", v_rows.count(), [&](std::span<float> x, Rng& rng) {
      fill_v(x, v_rows, c.input_class(), rng);
      v_rows.spoil_gaps(x);
      if (!c.timing()) {
        spoil_future(x, v_rows, n_q, rng);
      }
    });
    auto* scratch = c.scratch<float>("scratch");
    auto* out = c.output<float>("out", out_rows.count());
    attention_f32_args args{out,
                            q.data,
                            k.data,
                            v.data,
                            scratch,
                            out_rows.ld,
                            q_rows.ld,
                            k_rows.ld,
                            v_rows.ld,
                            n_q,
                            pos,
                            d,
                            1.0f / std::sqrt(static_cast<float>(d))};
    if (!c.timing() && c.rng().below(4) != 0) {
      // Scores of moderate size, so that weights are neither all equal nor all 0 but one.
      const double largest = static_cast<double>(d) * largest_finite(q.ref, q.count) * largest_finite(k.ref, k.count);
      const double target =
          std::ldexp(1.0 + static_cast<double>(c.rng().uniform()), static_cast<int>(c.rng().between(-4, 9)));
      args.scale = static_cast<float>(std::clamp(target / std::max(largest, 0x1p-140), 0x1p-149, 0x1p127));
    }
    for (size_t i = 0; i + 1 < n_q && !c.timing(); ++i) {
      c.keep_out("out", out + i * out_rows.ld + d, out_rows.ld - d);
    }
    c.call(attention, c.arguments(args));
    if (c.timing()) {
      return;
    }
    for (size_t i = 0; i < n_q; ++i) {
      judge_row(c, args, i, q.ref + i * q_rows.ld, k.ref, v.ref);
    }
  }

  size_t scaled_sizes() const override { return 2; }

  std::vector<ShapeClass> shape_classes(const CacheInfo&) const override {
    return {{"decode-256", {1, 255, 64}},
            {"decode-1024", {1, 1023, 64}},
            {"decode-4096", {1, 4095, 64}},
            {"prefill-64", {64, 0, 64}},
            {"prefill-128-at-128", {128, 128, 64}},
            {"prefill-64-at-960", {64, 960, 64}},
            {"prefill-64-at-960-wide", {64, 960, 128}}};
  }

  // For each pair of a query and a visible key, d products and sums twice, and the 25 operations of
  // softmax_f32.
  Work work(const Shape& shape) const override {
    const auto n_q = static_cast<double>(shape[0]);
    const auto pos = static_cast<double>(shape[1]);
    const auto d = static_cast<double>(shape[2]);
    return {(n_q * pos + n_q * (n_q + 1) / 2) * (4 * d + 25), 4 * d * (2 * (pos + n_q) + n_q), 4 * d * n_q};
  }

 private:
  static void judge_row(Case& c, const attention_f32_args& args, size_t i, const float* q, const float* k,
                        const float* v) {
    constexpr double u = 0x1p-24;
    const size_t m = args.pos + i + 1;
    const auto d = static_cast<double>(args.d);
    const auto terms = static_cast<double>(m);
    const reference::AttentionRow row = reference::attention_f32_row(q, k, args.ldk, m, args.d, args.scale);
    if (std::max(row.max_dot_abs, row.max_score_abs) > FLT_MAX / 2) {
      return;  // outside the domain
    }
    const double score_error = (std::min(d, 16.0) + std::ceil(d / 16) + 2) * u * row.max_score_abs;
    const double sums = 2 * std::min(terms, 16.0) + std::ceil(terms / 8) + 8;
    const double a = 2 * score_error + u * (2 * 2 * row.max_score + sums);
    for (size_t e = 0; e < args.d; ++e) {
      const reference::Attention want = reference::attention_f32(row, v + e, args.ldv);
      const double least = terms * 0x1p-148;
      const double relative = want.sum_weighted > 0 ? std::expm1(a) * want.sum_weighted : 0;
      const double bound = std::min(relative + 0x1p-147 * want.sum_abs, (2 + u * sums) * want.max_abs) + least;
      const bool overflow = want.max_abs > FLT_MAX / 2 || want.least_of_inf * std::exp(-a) < 0x1p-140;
      c.expect("out", i * args.ldo + e, args.out[i * args.ldo + e], {want.value, bound, overflow && !row.nan});
    }
  }
};

}  // namespace

extern const Trial& attention_f32_trial();
const Trial& attention_f32_trial() {
  static const AttentionF32Trial trial;
  return trial;
}

}  // namespace assay
