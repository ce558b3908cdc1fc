#include "reference/search.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "reference/convert_f16.h"
#include "reference/formats/f16.h"
#include "reference/formats/iq4_values.h"
#include "reference/little_endian.h"
#include "reference/quantize.h"

// All arithmetic is of floats, each operation rounded, in the order that the contract has: a search asks often which of two sums is
// the smaller one, and the answer must not depend on how they were added.

namespace reference {
namespace {

/// The scale and minimum of a group.
struct Pair {
  float s = 0, m = 0;
};

/// A block's numbers and the integers of its groups.
struct Choice {
  float d = 0, m = 0;
  std::vector<int> scales, minima;
};

std::vector<float> integers(int least, int most) {
  std::vector<float> all;
  for (int i = least; i <= most; ++i) {
    all.push_back(static_cast<float>(i));
  }
  return all;
}

class Search {
 public:
  Search(const Searched& format, const float* x) : format_(format), x_(x) {}

  std::optional<std::vector<double>> run() {
    std::vector<Pair> groups;
    for (size_t g = 0; g < format_.groups; ++g) {
      groups.push_back(plain_guess(g, 0, format_.values.front()));
    }
    improve(first_choice(groups, 1));
    for (size_t g = 0; g < format_.groups; ++g) {
      groups[g] = best_of_group(g);
    }
    for (const float factor : {1.0f, 0.94f, 1.06f}) {
      improve(first_choice(groups, factor));
    }
    return std::isfinite(error_) ? std::optional(weights()) : std::nullopt;
  }

 private:
  const float* begin(size_t g) const { return x_ + g * format_.group; }
  const float* end(size_t g) const { return begin(g) + format_.group; }

  /// The value of the code of x, where a unit is 1 / inverse.
  float value_of(float x, float inverse) const {
    const float wanted = x * inverse;
    if (format_.values[1] - format_.values[0] == 1) {  // integers
      return std::nearbyint(std::clamp(wanted, format_.values.front(), format_.values.back()));
    }
    size_t place = 0;
    while (place < 15 && wanted > 0.5f * (format_.values[place] + format_.values[place + 1])) {
      ++place;
    }
    return format_.values[place];
  }

  float error(size_t g, Pair tried) const {
    const float inverse = reciprocal(tried.s);
    float sum = 0;
    std::for_each(begin(g), end(g), [&](float x) {
      const float off = x + tried.m - tried.s * value_of(x + tried.m, inverse);
      sum += off * off;
    });
    return sum;
  }

  /// The line through a group's values, by least squares.
  Pair fitted(size_t g, Pair tried) const {
    const float inverse = reciprocal(tried.s);
    const auto n = static_cast<float>(format_.group);
    float v = 0;
    float vv = 0;
    float xs = 0;
    float vx = 0;
    std::for_each(begin(g), end(g), [&](float x) {
      const float value = value_of(x + tried.m, inverse);
      v += value;
      vv += value * value;
      xs += x;
      vx += value * x;
    });
    const float det = n * vv - v * v;
    const float m = format_.has_minima && det > 0 ? (v * vx - vv * xs) / det : 0;
    return m > 0 ? Pair{(n * vx - v * xs) / det, m} : Pair{vv > 0 ? vx / vv : 0, 0};
  }

  /// The range becomes that of the values, wider by `off` of it. Without minima, the weight of largest magnitude becomes `most`.
  Pair plain_guess(size_t g, float off, float most) const {
    if (format_.has_minima) {
      const float m = std::max(-*std::min_element(begin(g), end(g)), 0.0f);
      return {(*std::max_element(begin(g), end(g)) + m) / (format_.values.back() * (1 + off)), m};
    }
    const float widest =
        *std::max_element(begin(g), end(g), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
    return {widest / (most * (1 + 2 * off)), 0};
  }

  Pair best_of_group(size_t g) const {
    Pair best;
    float least = INFINITY;
    const std::vector<float> ends =
        format_.has_minima ? std::vector<float>{0} : std::vector<float>{format_.values.front(), format_.values.back()};
    for (const float most : ends) {
      for (int step = -5; step <= 5; ++step) {
        Pair tried = plain_guess(g, 0.04f * static_cast<float>(step), most);
        for (int i = 0; i < 3; ++i) {
          const float now = error(g, tried);
          if (now < least) {
            least = now;
            best = tried;
          }
          tried = fitted(g, tried);
        }
      }
    }
    return best;
  }

  /// False: it overflows.
  static bool to_half(float& number, float x) {
    uint8_t bytes[2];
    put(bytes, convert_f16(x), 2);
    number = static_cast<float>(half_at(bytes));
    return std::isfinite(number);
  }

  int least_scale() const { return format_.has_minima ? 0 : format_.scale_end; }

  std::optional<Choice> first_choice(const std::vector<Pair>& groups, float factor) const {
    const float widest = std::max_element(groups.begin(), groups.end(), [](Pair a, Pair b) {
                           return std::fabs(a.s) < std::fabs(b.s);
                         })->s;
    const float most = std::max_element(groups.begin(), groups.end(), [](Pair a, Pair b) { return a.m < b.m; })->m;
    Choice choice;
    if (!to_half(choice.d, factor * widest / static_cast<float>(format_.scale_end)) ||
        !to_half(choice.m, factor * most / static_cast<float>(format_.most_scale))) {
      return std::nullopt;
    }
    for (const Pair& pair : groups) {
      const auto integer = [&](float x, float unit, int least) {
        return static_cast<int>(std::clamp(std::round(x * reciprocal(unit)), static_cast<float>(least),
                                           static_cast<float>(format_.most_scale)));
      };
      choice.scales.push_back(integer(pair.s, choice.d, least_scale()));
      choice.minima.push_back(integer(pair.m, choice.m, 0));
    }
    return choice;
  }

  Pair pair_of(const Choice& c, size_t g) const {
    return {c.d * static_cast<float>(c.scales[g]), c.m * static_cast<float>(c.minima[g])};
  }

  /// Each group's integers become the best of those beside them. Returns the block's error.
  float take_neighbours(Choice& choice) const {
    float total = 0;
    for (size_t g = 0; g < format_.groups; ++g) {
      const auto beside = [](int x, int reach, int least, int most) {
        return std::pair(std::max(x - reach, least), std::min(x + reach, most));
      };
      const auto [first_s, last_s] = beside(choice.scales[g], 1, least_scale(), format_.most_scale);
      const auto [first_n, last_n] = beside(choice.minima[g], format_.has_minima ? 1 : 0, 0, format_.most_scale);
      float least = INFINITY;
      for (int s = first_s; s <= last_s; ++s) {
        for (int n = first_n; n <= last_n; ++n) {
          const float now = error(g, {choice.d * static_cast<float>(s), choice.m * static_cast<float>(n)});
          if (now < least) {
            least = now;
            choice.scales[g] = s;
            choice.minima[g] = n;
          }
        }
      }
      total += least;
    }
    return total;
  }

  /// d and m that fit all values best. False: they overflow.
  bool fit(Choice& choice) const {
    float aa = 0;
    float ab = 0;
    float bb = 0;
    float ax = 0;
    float bx = 0;
    for (size_t i = 0; i < format_.groups * format_.group; ++i) {
      const size_t g = i / format_.group;
      const Pair pair = pair_of(choice, g);
      const float a = static_cast<float>(choice.scales[g]) * value_of(x_[i] + pair.m, reciprocal(pair.s));
      const auto b = static_cast<float>(-choice.minima[g]);
      aa += a * a;
      ab += a * b;
      bb += b * b;
      ax += a * x_[i];
      bx += b * x_[i];
    }
    const float det = aa * bb - ab * ab;
    const float m = aa * bx - ab * ax;
    if (format_.has_minima && det > 0 && m > 0) {
      const bool m_fits = to_half(choice.m, m / det);
      return to_half(choice.d, (bb * ax - ab * bx) / det) && m_fits;
    }
    return !(aa > 0) || to_half(choice.d, (ax - ab * choice.m) / aa);
  }

  void improve(std::optional<Choice> choice) {
    float before = INFINITY;
    for (int round = 0; choice && round < 4; ++round) {
      const float now = take_neighbours(*choice);
      if (now < error_) {
        error_ = now;
        best_ = *choice;
      }
      if (!(now < before) || !fit(*choice)) {
        return;
      }
      before = now;
    }
  }

  /// In double: all of it is exact, but for the difference.
  std::vector<double> weights() const {
    std::vector<double> all;
    for (size_t i = 0; i < format_.groups * format_.group; ++i) {
      const size_t g = i / format_.group;
      const Pair pair = pair_of(best_, g);
      const float value = value_of(x_[i] + pair.m, reciprocal(pair.s));
      all.push_back(static_cast<double>(pair.s) * static_cast<double>(value) - static_cast<double>(pair.m));
    }
    return all;
  }

  const Searched& format_;
  const float* x_;
  float error_ = INFINITY;
  Choice best_;
};

}  // namespace

const Searched* find_searched(uint32_t type) {
  static const std::vector<float> kIq4(std::begin(kIq4Values), std::end(kIq4Values));
  static const std::vector<Searched> all = {{10, 16, 16, integers(0, 3), 15, 15, true},
                                            {11, 16, 16, integers(-4, 3), -32, 31, false},
                                            {12, 8, 32, integers(0, 15), 63, 63, true},
                                            {13, 8, 32, integers(0, 31), 63, 63, true},
                                            {14, 16, 16, integers(-32, 31), -128, 127, false},
                                            {20, 1, 32, kIq4, 1, 1, false},
                                            {23, 8, 32, kIq4, -32, 31, false}};
  const auto found = std::find_if(all.begin(), all.end(), [&](const Searched& s) { return s.type == type; });
  return found != all.end() ? &*found : nullptr;
}

std::optional<std::vector<double>> search(const Searched& format, const float* x) { return Search(format, x).run(); }

}  // namespace reference
