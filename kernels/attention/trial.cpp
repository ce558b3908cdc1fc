#include <fmt/format.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "harness/check/blocks.h"
#include "harness/check/format_trial.h"
#include "harness/runtime/error.h"
#include "harness/runtime/formats.h"
#include "kernels/attention/kernel.h"
#include "reference/attention_f32.h"
#include "reference/formats.h"

namespace assay {
namespace {

constexpr size_t kMostGroup = 64;
constexpr size_t kLargestHead = 4096;

class AttentionTrial : public Trial {
 public:
  explicit AttentionTrial(const weight_format& format)
      : format_(format), reference_(*reference::find_format(format.gguf_type)) {}

  Shape draw_shape(Rng& rng, uint64_t index) const override {
    if (index % 150 == 148) {  // of a model's size
      constexpr size_t kWide[] = {64, 128, 128, 96};
      const size_t d = kWide[rng.below(4)];
      switch (index / 150 % 4) {
        case 0:
          return {1, 2048 + rng.below(2100), d, 1 + rng.below(8)};
        case 1:
          return {63 + rng.below(3), 400 + rng.below(200), d, 1 + rng.below(2)};
        case 2:
          return {3 + rng.below(4), 2000 + rng.below(100), d, 1 + rng.below(4)};
        default:
          return {127 + rng.below(4), rng.below(130), d, 1 + rng.below(2)};
      }
    }
    if (index % 16 == 3) {  // calls that can be stepped to their end
      return {1 + rng.below(2), rng.below(3), head_size(1 + rng.below(5)), 1 + rng.below(2)};
    }
    if (index < 300) {  // every size of a head up to 200, every remainder of a block of keys
      return {index % 4, index % 71, head_size(1 + index % 201), 1 + index % 3};
    }
    if (rng.below(32) == 0) {  // chunks of queries, and groups that are larger than a chunk
      const size_t group = rng.below(2) == 0 ? 1 + rng.below(9) : 1 + rng.below(kMostGroup);
      return {rng.below(80 / group + 2), rng.below(70), head_size(1 + rng.below(70)), group};
    }
    constexpr size_t kHeadSizes[] = {32, 64, 64, 80, 96, 100, 128, 256};
    const size_t d = rng.below(2) == 0    ? 1 + rng.below(140)
                     : rng.below(32) == 0 ? 1 + rng.below(700)
                                          : kHeadSizes[rng.below(8)];
    const size_t n_q = rng.below(16) == 0 ? rng.below(40) : rng.below(5);
    const size_t pos = rng.below(32) == 0 ? rng.below(1100) : rng.below(4) == 0 ? rng.below(300) : rng.below(40);
    return {n_q, pos, head_size(d), rng.below(2) == 0 ? 1 : 1 + rng.below(8)};
  }

  void validate(const Kernel& kernel, const Shape& shape) const override {
    const auto refuse = [&](const std::string& why) { throw InputError(kernel.name + ": " + why); };
    if (shape[2] == 0 || shape[2] > kLargestHead || shape[2] % format_.elements != 0) {
      refuse(fmt::format("d={} is outside the contract: a head has a multiple of {} elements, and up to {}", shape[2],
                         format_.elements, kLargestHead));
    }
    if (shape[3] == 0 || shape[3] > kMostGroup) {
      refuse(fmt::format("group={} is outside the contract: 1 to {} heads share keys", shape[3], kMostGroup));
    }
    const bool large = std::ranges::any_of(shape, [](size_t n) { return n > (1u << 20); });
    if (large || (shape[0] + shape[1]) * shape[2] > (size_t{1} << 26) ||
        shape[0] * shape[2] * shape[3] > (size_t{1} << 26)) {
      refuse("(n_q + pos) * d or n_q * d * group is over 2^26; a case that large does not fit the harness");
    }
  }

  void run(Case& c) const override {
    const Sizes s(c, format_);
    auto* attention = c.fn<attention_fn>();
    const auto q = c.input<float>("q", rows(s.n_q, s.heads(), s.ldq), [&](std::span<float> x, Rng& rng) {
      fill_q(x, c.input_class(), rng);
      for (size_t i = 0; i + 1 < s.n_q; ++i) {
        std::fill_n(x.begin() + static_cast<std::ptrdiff_t>(i * s.ldq + s.heads()), s.ldq - s.heads(), kNan);
      }
    });
    const auto k = c.input<uint8_t>("k", rows(s.keys(), s.row_bytes, s.ldk),
                                    [&](std::span<uint8_t> bytes, Rng& rng) { fill_cache(c, bytes, s, s.ldk, rng); });
    const auto v = c.input<uint8_t>("v", rows(s.keys(), s.row_bytes, s.ldv),
                                    [&](std::span<uint8_t> bytes, Rng& rng) { fill_cache(c, bytes, s, s.ldv, rng); });
    auto* scratch = c.scratch<uint8_t>("scratch", 64);
    auto* out = c.output<float>("out", rows(s.n_q, s.heads(), s.ldo));
    const bool has_stats = !c.timing() && c.rng().below(2) == 0;
    auto* stats = c.output<float>("stats", has_stats ? 2 * s.n_q * s.group : 0);
    attention_args args{};
    args.out = out;
    args.q = q.data;
    args.k = k.data;
    args.v = v.data;
    args.stats = has_stats ? stats : nullptr;
    args.scratch = scratch;
    args.ldo = s.ldo;
    args.ldq = s.ldq;
    args.ldk = s.ldk;
    args.ldv = s.ldv;
    args.n_q = s.n_q;
    args.pos = s.pos;
    args.d = s.d;
    args.group = s.group;
    args.key_end = s.keys();
    args.scale = 1 / std::sqrt(static_cast<float>(s.d));
    if (!c.timing()) {
      const std::vector<float> keys = decoded(k.ref, s, s.ldk);
      draw_arguments(args, c.rng(), largest_finite(q.ref, q.count), largest_finite(keys.data(), keys.size()));
      for (size_t i = 0; i + 1 < s.n_q; ++i) {
        c.keep_out("out", out + i * s.ldo + s.heads(), s.ldo - s.heads());
      }
    }
    c.call(attention, c.arguments(args));
    if (!c.timing()) {
      judge(c, args, q.ref, decoded(k.ref, s, s.ldk), decoded(v.ref, s, s.ldv));
    }
  }

  size_t scaled_sizes() const override { return 2; }

  std::vector<ShapeClass> shape_classes(const CacheInfo&) const override {
    return {{"decode-512", {1, 511, 128, 4}},
            {"decode-4096", {1, 4095, 128, 4}},
            {"decode-4096-alone", {1, 4095, 64, 1}},
            {"prefill-64", {64, 0, 64, 1}},
            {"prefill-64-at-448", {64, 448, 128, 4}}};
  }

  // For each pair of a query and a visible key, d products and sums twice, and the 25 operations of softmax_f32. Keys and values are
  // read once for the group.
  Work work(const Shape& shape) const override {
    const auto n_q = static_cast<double>(shape[0]);
    const auto pos = static_cast<double>(shape[1]);
    const auto d = static_cast<double>(shape[2]);
    const auto group = static_cast<double>(shape[3]);
    const double row = d / static_cast<double>(format_.elements) * static_cast<double>(format_.bytes);
    return {(n_q * pos + n_q * (n_q + 1) / 2) * group * (4 * d + 25), 2 * (pos + n_q) * row + 4 * n_q * d * group,
            4 * n_q * d * group};
  }

 private:
  static constexpr float kInf = std::numeric_limits<float>::infinity();
  static constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

  struct Sizes {
    Sizes(Case& c, const weight_format& format)
        : n_q(c.dim(0)), pos(c.dim(1)), d(c.dim(2)), group(c.dim(3)), row_bytes(d / format.elements * format.bytes) {
      const auto gap = [&] { return c.timing() ? 0 : c.rng().below(4) == 0 ? c.rng().below(100) : c.rng().below(4); };
      ldo = heads() + gap();
      ldq = heads() + gap();
      ldk = row_bytes + gap();
      ldv = row_bytes + gap();
    }
    size_t heads() const { return group * d; }
    size_t keys() const { return pos + n_q; }

    size_t n_q, pos, d, group;
    size_t row_bytes;  // of the cache
    size_t ldo, ldq;   // floats
    size_t ldk, ldv;   // bytes
  };

  /// What `count` rows take: there is no gap behind the last, so that the guard page is there.
  static size_t rows(size_t count, size_t size, size_t apart) { return count == 0 ? 0 : (count - 1) * apart + size; }

  size_t head_size(size_t d) const { return (d + format_.elements - 1) / format_.elements * format_.elements; }

  static double largest_finite(const float* x, size_t n) {
    double largest = 0;
    for (size_t i = 0; i < n; ++i) {
      largest = std::isfinite(x[i]) ? std::max(largest, std::fabs(static_cast<double>(x[i]))) : largest;
    }
    return largest;
  }

  static void fill_q(std::span<float> q, InputClass c, Rng& rng) {
    if (c == InputClass::absorbed) {
      std::ranges::fill(q, 1.0f);
      return;
    }
    // Between subnormal and huge values products would all be as good as 0; one factor of the other kind brings them near 1.
    const InputClass usual = c == InputClass::huge         ? InputClass::subnormals
                             : c == InputClass::subnormals ? InputClass::huge
                             : c == InputClass::special    ? InputClass::normal
                                                           : c;
    fill_class(q, usual, rng);
    if (c == InputClass::special) {
      // Positive, so that one -Inf in a key masks it.
      std::ranges::transform(q, q.begin(), [](float x) { return std::fabs(x) + 0x1p-10f; });
      if (!q.empty() && rng.below(8) == 0) {
        q[rng.below(q.size())] = rng.below(2) == 0 ? kNan : kInf;
      }
    }
  }

  /// Rows of keys or values, and NaN between them.
  void fill_cache(const Case& c, std::span<uint8_t> bytes, const Sizes& s, size_t apart, Rng& rng) const {
    std::ranges::fill(bytes, uint8_t{0xff});
    const uint64_t kept_in_8 = rng.below(9);
    std::vector<float> values(s.d);
    for (size_t row = 0; row < s.keys(); ++row) {
      const auto to = bytes.subspan(row * apart, s.row_bytes);
      if (format_.values != nullptr) {
        fill_blocks(to, format_, c.input_class(), rng);
        continue;
      }
      const InputClass usual = c.input_class() == InputClass::special ? InputClass::normal : c.input_class();
      fill_class(values, usual, rng);
      simplify(values, c.id());
      encode_floats(to, format_, values);
      if (c.input_class() == InputClass::special && s.d > 0) {  // fp16 of -Inf, and sometimes Inf or NaN
        const size_t at = 2 * rng.below(s.d);
        const uint16_t bits = rng.below(64) == 0 ? (rng.below(2) == 0 ? 0x7c00 : 0x7e01) : 0xfc00;
        if (rng.below(8) >= kept_in_8) {
          std::memcpy(&to[at], &bits, 2);
        }
      }
    }
  }

  /// The rows as floats, close together: a weight of these formats is one.
  std::vector<float> decoded(const uint8_t* from, const Sizes& s, size_t apart) const {
    std::vector<float> values;
    for (size_t row = 0; row < s.keys(); ++row) {
      for (const double x : reference::decode(reference_, from + row * apart, s.d / format_.elements)) {
        values.push_back(static_cast<float>(x));
      }
    }
    return values;
  }

  static void draw_arguments(attention_args& args, Rng& rng, double largest_q, double largest_k) {
    if (rng.below(4) != 0) {
      // Scores of moderate size, so that weights are neither all equal nor all 0 but one.
      const double largest = static_cast<double>(args.d) * largest_q * largest_k;
      const double target = std::ldexp(1 + static_cast<double>(rng.uniform()), static_cast<int>(rng.between(-4, 9)));
      args.scale = static_cast<float>(std::clamp(target / std::max(largest, 0x1p-140), 0x1p-149, 0x1p127));
    }
    if (rng.below(3) == 0) {
      args.softcap = std::ldexp(1 + rng.uniform(), static_cast<int>(rng.between(-2, 7)));
    }
    if (rng.below(3) == 0) {
      args.window = 1 + rng.below(args.pos + args.n_q + 3);
    }
    if (rng.below(4) == 0) {
      args.key_begin = rng.below(args.pos + args.n_q + 1);
      args.key_end = args.key_begin + rng.below(args.pos + args.n_q - args.key_begin + 1);
    }
  }

  void judge(Case& c, const attention_args& args, const float* q, const std::vector<float>& keys,
             const std::vector<float>& values) const {
    // Of many rows those at both ends, and some between.
    Rng rng(mix_seed(c.id().seed, 2));
    const double work = work_of(c.id().shape);
    for (size_t i = 0; i < args.n_q; ++i) {
      for (size_t head = 0; head < args.group; ++head) {
        if (work <= 0x1p20 || i < 2 || i + 2 >= args.n_q || rng.below(8) == 0) {
          judge_row(c, args, i, head, q + i * args.ldq + head * args.d, keys, values);
        }
      }
    }
  }

  void judge_row(Case& c, const attention_args& args, size_t i, size_t head, const float* q,
                 const std::vector<float>& keys, const std::vector<float>& values) const {
    constexpr double u = 0x1p-24;
    const size_t seen = args.pos + i + 1;
    const size_t first = args.window != 0 && seen > args.window ? seen - args.window : 0;
    const size_t to = std::min(seen, args.key_end);
    const size_t from = std::min(std::max(first, args.key_begin), to);
    const size_t m = to - from;
    const auto d = static_cast<double>(args.d);
    const reference::AttentionRow row =
        reference::attention_f32_row(q, keys.data() + from * args.d, args.d, m, args.d, args.scale, args.softcap);
    if (std::max(row.max_dot_abs, row.max_score_abs) > FLT_MAX / 2) {
      return;  // outside the domain
    }
    const double score_error = (std::ceil(d / 8) + 5) * u * row.max_score_abs +
                               (d * static_cast<double>(args.scale) + 1) * 0x1p-149 +
                               (args.softcap != 0 ? 16 * u * row.max_score : 0);
    const double sums = std::min(static_cast<double>(m), 32.0) + 2 * std::ceil(static_cast<double>(m) / 16) + 14;
    const double a = 2 * score_error + u * (2 * 2 * row.max_score + sums);
    if (args.stats != nullptr) {
      const size_t at = 2 * (i * args.group + head);
      if (!row.nan) {
        c.expect("stats", at, args.stats[at], {row.largest, score_error, false});
      }
      const double sum = row.nan ? std::numeric_limits<double>::quiet_NaN() : row.sum;
      c.expect("stats", at + 1, args.stats[at + 1], {sum, std::expm1(a) * row.sum, false});
    }
    for (size_t e = 0; e < args.d; ++e) {
      const reference::Attention want = reference::attention_f32(row, values.data() + from * args.d + e, args.d);
      const double relative = want.sum_weighted > 0 ? std::expm1(a) * want.sum_weighted : 0;
      const double bound = std::min(relative + 0x1p-157 * want.sum_abs, (2 + u * sums) * want.max_abs) + 0x1p-148;
      bool non_finite = want.least_of_inf * std::exp(-a) < 0x1p-140;
      for (size_t j = 0; j < m; ++j) {  // the exponential of a masked key is not 0
        non_finite |= row.weights[j] == 0 && std::isinf(values[(from + j) * args.d + e]);
      }
      const size_t at = i * args.ldo + head * args.d + e;
      c.expect("out", at, args.out[at], {want.value, bound, non_finite && !row.nan});
    }
  }

  const weight_format& format_;
  const reference::Format& reference_;
};

}  // namespace

extern const Trial& attention_trial(const char* format);
const Trial& attention_trial(const char* format) { return trial_of_format<AttentionTrial>(format); }

}  // namespace assay
