// The reference's decoders against bytes worked out by hand from the formats' descriptions.
#include "reference/formats.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>
#include <string>

namespace reference {
namespace {

using Bytes = std::vector<uint8_t>;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

const Format& format(const std::string& name) {
  for (const auto& f : formats()) {
    if (f.name == name) {
      return f;
    }
  }
  throw std::out_of_range("no format " + name);
}

std::vector<double> decoded(const std::string& name, const Bytes& bytes) {
  const Format& f = format(name);
  EXPECT_EQ(bytes.size() % f.bytes, 0u) << name;
  return decode(f, bytes.data(), bytes.size() / f.bytes);
}

/// A block that begins with `head`, all else `fill`.
Bytes block_of(const std::string& name, const Bytes& head, uint8_t fill) {
  Bytes bytes(format(name).bytes, fill);
  std::copy(head.begin(), head.end(), bytes.begin());
  return bytes;
}

void expect_zero(double value, bool negative) {
  EXPECT_EQ(value, 0);
  EXPECT_EQ(std::signbit(value), negative);
}

TEST(ReferenceFormats, EachHasItsOwnTypeAndName) {
  std::set<uint32_t> types;
  std::set<std::string> names;
  for (const auto& f : formats()) {
    EXPECT_EQ(find_format(f.type), &f);
    types.insert(f.type);
    names.insert(f.name);
  }
  EXPECT_EQ(types.size(), formats().size());
  EXPECT_TRUE(
      std::ranges::includes(names, std::set<std::string>{"BF16", "F16", "F32", "Q1_0", "Q4_0", "Q5_0", "Q8_0"}));
  EXPECT_EQ(find_format(12345), nullptr);
}

TEST(ReferenceFormats, RoundingOfActivationsFollowsFromTheFormat) {
  for (const char* name : {"F32", "F16", "BF16"}) {
    EXPECT_EQ(format(name).activations, Activations::as_they_are) << name;
  }
  for (const char* name : {"Q8_0", "Q5_0", "Q4_0", "Q1_0"}) {
    EXPECT_EQ(format(name).activations, Activations::q8_0) << name;
  }
}

TEST(ReferenceFormats, F32) {
  EXPECT_EQ(decoded("F32", {0x00, 0x00, 0x80, 0x3f, 0xdb, 0x0f, 0x49, 0x40, 0x00, 0x00, 0x20, 0xc1}),
            (std::vector<double>{1, 0x1.921fb6p+1, -10}));
  EXPECT_EQ(decoded("F32", {0xff, 0xff, 0x7f, 0x7f})[0], 0x1.fffffep+127);
  EXPECT_EQ(decoded("F32", {0x01, 0x00, 0x00, 0x00})[0], 0x1p-149);                // the least subnormal
  EXPECT_EQ(decoded("F32", {0xff, 0xff, 0x7f, 0x80})[0], -(0x1p-126 - 0x1p-149));  // the largest subnormal
  EXPECT_EQ(decoded("F32", {0x00, 0x00, 0x80, 0x00})[0], 0x1p-126);
  EXPECT_EQ(decoded("F32", {0x00, 0x00, 0x80, 0xff})[0], -kInfinity);
  EXPECT_TRUE(std::isnan(decoded("F32", {0x01, 0x00, 0x80, 0x7f})[0]));
  expect_zero(decoded("F32", {0, 0, 0, 0x80})[0], true);
}

TEST(ReferenceFormats, F16) {
  // The lower byte is the first: 0x3c01 is 1 + 2^-10, and read the other way 0x013c would be a subnormal.
  EXPECT_EQ(decoded("F16", {0x01, 0x3c, 0x00, 0xc5}), (std::vector<double>{1 + 0x1p-10, -5}));
  EXPECT_EQ(decoded("F16", {0xff, 0x7b})[0], 65504);
  EXPECT_EQ(decoded("F16", {0x01, 0x00})[0], 0x1p-24);          // the least subnormal
  EXPECT_EQ(decoded("F16", {0xff, 0x83})[0], -1023 * 0x1p-24);  // the largest
  EXPECT_EQ(decoded("F16", {0x00, 0x04})[0], 0x1p-14);          // the least normal number
  EXPECT_EQ(decoded("F16", {0x00, 0x7c, 0x00, 0xfc}), (std::vector<double>{kInfinity, -kInfinity}));
  EXPECT_TRUE(std::isnan(decoded("F16", {0x01, 0x7c})[0]));
  EXPECT_TRUE(std::isnan(decoded("F16", {0x00, 0xfe})[0]));
  expect_zero(decoded("F16", {0, 0})[0], false);
  expect_zero(decoded("F16", {0, 0x80})[0], true);
}

TEST(ReferenceFormats, Bf16) {
  EXPECT_EQ(decoded("BF16", {0x80, 0x3f, 0x49, 0x40, 0x20, 0xc1}), (std::vector<double>{1, 3.140625, -10}));
  EXPECT_EQ(decoded("BF16", {0x01, 0x00})[0], 0x1p-133);  // the least subnormal: the last bit of 7 below 2^-126
  EXPECT_EQ(decoded("BF16", {0x7f, 0x7f})[0], 255 * 0x1p+120);
  EXPECT_EQ(decoded("BF16", {0x80, 0xff})[0], -kInfinity);
  EXPECT_TRUE(std::isnan(decoded("BF16", {0xc0, 0x7f})[0]));
  expect_zero(decoded("BF16", {0, 0x80})[0], true);
}

TEST(ReferenceFormats, Q8_0) {
  // d = 0x3800 = 0.5; codes 1, 127, -128, -1, then zeros.
  const auto w = decoded("Q8_0", block_of("Q8_0", {0x00, 0x38, 1, 127, 0x80, 0xff}, 0));
  ASSERT_EQ(w.size(), 32u);
  EXPECT_EQ((std::vector<double>{w.begin(), w.begin() + 5}), (std::vector<double>{0.5, 63.5, -64, -0.5, 0}));
  const auto negative = decoded("Q8_0", block_of("Q8_0", {0x00, 0xb8, 0x80}, 2));
  EXPECT_EQ(negative[0], 64);
  EXPECT_EQ(negative[31], -1);
  EXPECT_EQ(decoded("Q8_0", block_of("Q8_0", {0x01, 0x00}, 3))[7], 3 * 0x1p-24) << "a subnormal scale";
  EXPECT_TRUE(std::isnan(decoded("Q8_0", block_of("Q8_0", {0x00, 0x7e}, 0))[0])) << "NaN times 0";
}

TEST(ReferenceFormats, Q4_0) {
  // d = 0x4000 = 2; byte 0 = 0xf0: weight 0 has code 0, weight 16 code 15; byte 15 = 0x93: weight 15 code 3, 31 code 9.
  Bytes bytes = block_of("Q4_0", {0x00, 0x40, 0xf0}, 0x88);
  bytes.back() = 0x93;
  const auto w = decoded("Q4_0", bytes);
  ASSERT_EQ(w.size(), 32u);
  std::vector<double> want(32, 0);
  want[0] = -16;
  want[16] = 14;
  want[15] = -10;
  want[31] = 2;
  EXPECT_EQ(w, want);
}

TEST(ReferenceFormats, Q5_0) {
  // d = 0x4000 = 2; fifth bits of weights 0, 15 and 31; low bits: weight 0 has 5, weight 16 has 15, weight 15 has 3, weight 31 has 9.
  Bytes bytes = block_of("Q5_0", {0x00, 0x40, 0x01, 0x80, 0x00, 0x80, 0xf5}, 0);
  bytes.back() = 0x93;
  const auto w = decoded("Q5_0", bytes);
  ASSERT_EQ(w.size(), 32u);
  std::vector<double> want(32, -32);
  want[0] = 10;
  want[16] = -2;
  want[15] = 6;
  want[31] = 18;
  EXPECT_EQ(w, want);
}

TEST(ReferenceFormats, Q1_0) {
  // d = 0xbe00 = -1.5; bits of weights 0, 9 and 127.
  Bytes bytes = block_of("Q1_0", {0x00, 0xbe, 0x01, 0x02}, 0);
  bytes.back() = 0x80;
  const auto w = decoded("Q1_0", bytes);
  ASSERT_EQ(w.size(), 128u);
  for (size_t i = 0; i < w.size(); ++i) {
    EXPECT_EQ(w[i], i == 0 || i == 9 || i == 127 ? -1.5 : 1.5) << i;
  }
}

TEST(ReferenceFormats, BlocksFollowEachOther) {
  Bytes bytes = block_of("Q4_0", {0x00, 0x3c}, 0x99);
  const Bytes second = block_of("Q4_0", {0x00, 0x40}, 0x77);
  bytes.insert(bytes.end(), second.begin(), second.end());
  std::vector<double> want(32, 1);
  want.insert(want.end(), 32, -2);
  EXPECT_EQ(decoded("Q4_0", bytes), want);
}

}  // namespace
}  // namespace reference
