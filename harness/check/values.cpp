#include "harness/check/values.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace assay {
namespace {

/// True: all of it is filled, a first part as fill_class does it, again and again. Its length is odd: what lies a power
/// of two away is something else.
template <class T>
bool fill_repeating(std::span<T> x, InputClass c, Rng& rng) {
  constexpr size_t kPeriod = 1000003;
  if (x.size() <= kLargestCopied) {
    return false;
  }
  if (c == InputClass::integers) {
    for (T& v : x.first(kPeriod)) {
      v = static_cast<T>(rng.between(-1, 1));
    }
  } else {
    fill_class(x.first(kPeriod), c, rng);
  }
  for (size_t i = kPeriod; i < x.size(); ++i) {
    x[i] = x[i - kPeriod];
  }
  return true;
}

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr std::array<float, 16> kSpecials = {
    std::numeric_limits<float>::quiet_NaN(),
    std::bit_cast<float>(0xffc12345u),  // a NaN with its sign and others of its bits set
    std::bit_cast<float>(0x7f800001u),  // a signalling NaN
    kInf,
    -kInf,
    0.0f,
    -0.0f,
    1.0f,
    -1.0f,
    std::numeric_limits<float>::denorm_min(),
    -std::numeric_limits<float>::denorm_min(),
    std::bit_cast<float>(0x007fffffu),  // the largest subnormal
    std::numeric_limits<float>::min(),
    -std::numeric_limits<float>::min(),
    std::numeric_limits<float>::max(),
    std::numeric_limits<float>::lowest(),
};

/// Two special values, NaN and Inf above all, among numbers: one in the last vector, the other there too or in the same lane of an
/// earlier one, where an accumulator meets both.
void fill_pair(std::span<float> x, Rng& rng) {
  for (float& v : x) {
    v = rng.normal();
  }
  if (x.empty()) {
    return;
  }
  const size_t last = std::min<size_t>(x.size(), 16);
  const auto in_last = [&] { return x.size() - 1 - rng.below(last); };
  const size_t one = in_last();
  const size_t lanes = size_t{4} << rng.below(5);
  const size_t vectors_before = one / lanes;
  const bool same_lane = vectors_before > 0 && rng.below(4) != 0;
  x[same_lane ? one - lanes * (1 + rng.below(vectors_before)) : in_last()] =
      rng.below(2) == 0 ? kInf : special_value(rng);
  x[one] = special_value(rng);  // the same place perhaps: then it is alone
}

/// The large ones of 16 lanes or fewer, then 2^-24 of them: half of the last bit, a tie, which goes to what is there; or 2^-12, of which the
/// squares are so.
void fill_absorbed(std::span<float> x, Rng& rng) {
  const size_t large = size_t{1} << rng.below(6);
  const float small = rng.below(2) == 0 ? 0x1p-24f : 0x1p-12f;
  const float sign = rng.below(2) == 0 ? 1.0f : -1.0f;
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = sign * (i < large ? 1.0f : small);
  }
}

/// One of each stratum of as many as there are elements.
void fill_any_bits(std::span<float> x, Rng& rng) {
  for (size_t i = 0; i < x.size(); ++i) {
    const uint64_t begin = (i << 32) / x.size();
    const uint64_t end = ((i + 1) << 32) / x.size();
    x[i] = std::bit_cast<float>(static_cast<uint32_t>(begin + rng.below(end - begin)));
  }
}

}  // namespace

float special_value(Rng& rng) {
  constexpr size_t kNonFinite = 5;
  return kSpecials[rng.below(rng.below(2) == 0 ? kNonFinite : kSpecials.size())];
}

void fill_factors(std::span<float> x, InputClass c, Rng& rng) {
  if (c == InputClass::absorbed) {
    std::ranges::fill(x, 1.0f);
  } else {
    fill_class(x, c, rng);
  }
}

void fill_class(std::span<float> x, InputClass c, Rng& rng) {
  if (fill_repeating(x, c, rng)) {
    return;
  }
  if (c == InputClass::absorbed) {
    return fill_absorbed(x, rng);
  }
  if (c == InputClass::any_bits) {
    return fill_any_bits(x, rng);
  }
  if (c == InputClass::special) {  // or none beside those of other inputs, or many
    const uint64_t kind = rng.below(8);
    if (kind < 4) {
      return fill_pair(x, rng);
    }
    if (kind == 4) {
      return fill_class(x, InputClass::normal, rng);
    }
  }
  const float sign = (rng.next() & 1) != 0 ? -1.0f : 1.0f;
  const float one_value = rng.normal();
  const uint64_t specials = rng.next();  // which special values this buffer may hold
  float previous = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    switch (c) {
      case InputClass::normal:
        x[i] = rng.normal();
        break;
      case InputClass::wide:
        x[i] = rng.with_exponent(127 - 40, 127 + 40);
        break;
      case InputClass::integers:
        x[i] = static_cast<float>(rng.between(-8, 8));
        break;
      case InputClass::cancellation:
        if (i % 2 == 0) {
          previous = 1e4f * (1.0f + rng.uniform());
          x[i] = previous;
        } else {
          x[i] = -previous * (1.0f + static_cast<float>(rng.between(-4, 4)) * 0x1p-23f);
        }
        break;
      case InputClass::subnormals:
        x[i] = rng.with_exponent(0, 2);
        break;
      case InputClass::zeros: {
        const uint64_t r = rng.below(8);
        x[i] = r == 0 ? 1.0f : r % 2 == 0 ? 0.0f : -0.0f;
        break;
      }
      case InputClass::huge:
        x[i] = rng.with_exponent(250, 254);
        break;
      case InputClass::special: {
        const uint64_t r = rng.below(128);
        x[i] = r < kSpecials.size() && ((specials >> r) & 1) != 0 ? kSpecials[r] : rng.normal();
        break;
      }
      case InputClass::extreme:
        x[i] = sign * 16777215.0f;
        break;
      case InputClass::constant:
        x[i] = one_value;
        break;
      case InputClass::absorbed:
      case InputClass::any_bits:
        break;
    }
  }
}

void fill_class(std::span<int32_t> x, InputClass c, Rng& rng) {
  if (fill_repeating(x, c, rng)) {
    return;
  }
  const int32_t end = (rng.next() & 1) != 0 ? std::numeric_limits<int32_t>::min() : std::numeric_limits<int32_t>::max();
  const auto one_value = static_cast<int32_t>(rng.next());
  for (auto& v : x) {
    switch (c) {
      case InputClass::integers:
        v = static_cast<int32_t>(rng.between(-8, 8));
        break;
      case InputClass::zeros:
        v = 0;
        break;
      case InputClass::extreme:
        v = end;
        break;
      case InputClass::constant:
        v = one_value;
        break;
      default:
        v = static_cast<int32_t>(rng.next());
        break;
    }
  }
}

void simplify(std::span<float> x, const CaseId& id) {
  if (id.keep_from == 0 && id.keep_to >= x.size() && !id.small_integers) {
    return;
  }
  for (size_t i = 0; i < x.size(); ++i) {
    if (i < id.keep_from || i >= id.keep_to) {
      x[i] = 0;
    } else if (id.small_integers && std::isfinite(x[i])) {
      x[i] = std::clamp(std::nearbyint(x[i]), -8.0f, 8.0f);
    }
  }
}

uint64_t draw_scale(InputClass c, Rng& rng) {
  const uint64_t sign = rng.below(4) == 0 ? 0x8000 : 0;  // quantizers give d >= 0, the contracts take any
  switch (c) {
    case InputClass::wide:
      return sign | rng.below(0x7c00);  // every finite magnitude, subnormal ones too
    case InputClass::integers:
      return sign | (0x3800 + 0x400 * rng.below(3));  // 0.5, 1, 2
    case InputClass::subnormals:
      return sign | rng.below(0x401);  // up to the smallest normal value
    case InputClass::zeros:
      return sign | (rng.below(8) == 0 ? 0x3c00u : 0u);
    case InputClass::huge:
    case InputClass::extreme:
      return sign | (0x7bff - rng.below(4));  // 65504 and just below
    case InputClass::constant:
      return 0x2e66;
    default:
      return sign | (0x2000 + rng.below(0x1c00));  // 2^-7 .. 1
  }
}

}  // namespace assay
