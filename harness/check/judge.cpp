#include "harness/check/judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>

namespace assay {

std::vector<std::string> bound_bin_names() {
  std::vector<std::string> names;
  for (size_t i = 0; i + 1 < kBoundBins; ++i) {
    names.push_back(fmt::format("{}-{}%", 10 * i, 10 * (i + 1)));
  }
  names.emplace_back(">100%");
  return names;
}

std::vector<std::string> ulp_bin_names() {
  return {"≤1/4", "≤1/2", "≤1", "≤2", "≤4", "≤8", "≤16", "≤32", "≤64", ">64"};
}

void ErrorStats::add_over_bound(double share) {
  if (std::isnan(share)) {  // no error where the contract allows none, and only a claim does
    return;
  }
  worst_over_bound = std::max(worst_over_bound, share);
  ++bound_bins[share > 1 ? kBoundBins - 1 : std::min(static_cast<size_t>(share * 10), kBoundBins - 2)];
}

void ErrorStats::add_ulp(double ulp) {
  max_ulp = std::max(max_ulp, ulp);
  size_t bin = 0;
  for (double end = 0.25; bin + 1 < kUlpBins && ulp > end; end *= 2) {
    ++bin;
  }
  ++ulp_bins[bin];
}

void ErrorStats::add(const ErrorStats& other) {
  max_ulp = std::max(max_ulp, other.max_ulp);
  worst_over_bound = std::max(worst_over_bound, other.worst_over_bound);
  worst_over_claim = std::max(worst_over_claim, other.worst_over_claim);
  std::ranges::transform(bound_bins, other.bound_bins, bound_bins.begin(), std::plus());
  std::ranges::transform(ulp_bins, other.ulp_bins, ulp_bins.begin(), std::plus());
}

double float_ulp(double value) {
  // Exponents as a double has them: a fraction of 52 bits, a bias of 1023; 0 and subnormal doubles have the least.
  const auto exponent = static_cast<int64_t>(std::bit_cast<uint64_t>(value) >> 52 & 0x7ff) - 1023;
  return std::bit_cast<double>(static_cast<uint64_t>(std::max<int64_t>(exponent, -126) - 23 + 1023) << 52);
}

template <class F>
void Judge::keep(const char* what, size_t index, const std::string& got, const std::string& want, const F& compare) {
  constexpr size_t kMost = 8, kMostBefore = 3;  // elements, and those before the first wrong one
  bool wrong = false;
  recording_ = false;
  try {
    compare();
  } catch (const Mismatch&) {
    wrong = true;
  }
  recording_ = true;
  const bool found = std::ranges::any_of(recorded_, &Element::wrong);
  if (found && recorded_.size() >= kMost) {
    return;
  }
  if (!found && recorded_.size() >= kMostBefore) {
    recorded_.erase(recorded_.begin());
  }
  recorded_.push_back({fmt::format("{}[{}]", what, index), got, want, wrong});
}

void Judge::expect(const char* what, size_t index, float got, const Expected& want) {
  const double value = want.value;
  const double bound = std::max(want.bound, want.claimed) * factor_;
  if (recording_) {
    keep(what, index, fmt::format("{:.9g}", got),
         bound == 0 ? fmt::format("{:.9g}", value) : fmt::format("{:.9g} +- {:.3g}", value, bound),
         [&] { expect(what, index, got, want); });
    return;
  }
  if (want.overflow && !std::isfinite(got)) {
    return;
  }
  if (std::isnan(value) || std::isnan(got)) {
    if (std::isnan(value) && std::isnan(got)) {
      return;
    }
    throw Mismatch("value",
                   fmt::format("{}[{}] is {} ({:a}), expected {} ({:a})", what, index, got, got, value, value));
  }
  // Halfway between FLT_MAX and 2^128 rounds to Inf (IEEE 754, section 4.3.1).
  constexpr double kOverflow = 0x1.ffffffp127;
  if (std::isinf(got)) {
    if (std::signbit(value) == std::signbit(got) && std::fabs(value) + bound >= kOverflow) {
      return;
    }
    throw Mismatch(
        "value", fmt::format("{}[{}] is {}, expected {} ({:a}) within {:.3g}", what, index, got, value, value, bound));
  }
  if (std::isinf(value)) {
    throw Mismatch("value", fmt::format("{}[{}] is {} ({:a}), expected {}", what, index, got, got, value));
  }
  const double error = std::fabs(static_cast<double>(got) - value);
  if (!(error <= bound)) {
    throw Mismatch(
        "value", fmt::format("{}[{}] is {} ({:a}), expected {} ({:a}) within {:.3g}: error {:.3g}, {:.3g} x the bound",
                             what, index, got, got, value, value, bound, error, error / bound));
  }
  if (bound > 0) {
    errors_.add_over_bound(error / want.bound);
    errors_.worst_over_claim = std::max(errors_.worst_over_claim, error / bound);
    // Where the bound is far from relative (cancellation), ULPs of what is left say nothing.
    if (bound <= std::fabs(value) * 0x1p-10) {
      errors_.add_ulp(error / float_ulp(value));
    }
  }
}

void Judge::expect_bits(const char* what, size_t index, float got, float want) {
  if (recording_) {
    keep(what, index, fmt::format("{:.9g}", got), fmt::format("{:.9g}", want),
         [&] { expect_bits(what, index, got, want); });
    return;
  }
  if ((std::isnan(got) && std::isnan(want)) || std::bit_cast<uint32_t>(got) == std::bit_cast<uint32_t>(want)) {
    return;
  }
  throw Mismatch("value",
                 fmt::format("{}[{}] is {} ({:a}), expected {} ({:a}) exactly", what, index, got, got, want, want));
}

void Judge::expect_equal(const char* what, size_t index, int64_t got, int64_t want) {
  if (recording_) {
    keep(what, index, fmt::format("{}", got), fmt::format("{}", want), [&] { expect_equal(what, index, got, want); });
    return;
  }
  if (got != want) {
    throw Mismatch("value",
                   fmt::format("{}[{}] is {} ({:#x}), expected {} ({:#x})", what, index, got, got, want, want));
  }
}

void Judge::expect_written(const char* what, const float* p, size_t count) const {
  uint8_t poison[sizeof(float)];
  std::memset(poison, kPoison, sizeof poison);
  for (size_t i = 0; i < count; ++i) {
    if (std::memcmp(p + i, poison, sizeof poison) == 0) {
      throw Mismatch("value", fmt::format("{}[{}] was never written", what, i));
    }
  }
}

void Judge::expect_untouched(const char* what, const float* p, size_t count) const {
  const auto* bytes = reinterpret_cast<const uint8_t*>(p);
  for (size_t i = 0; i < count * sizeof(float); ++i) {
    if (bytes[i] != kPoison) {
      throw Mismatch("gap", fmt::format("{}: element {} of a part that is not the kernel's to write was written", what,
                                        i / sizeof(float)));
    }
  }
}

}  // namespace assay
