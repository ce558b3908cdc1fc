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

/// A byte of a block at its place.
struct At {
  size_t place;
  uint8_t byte;
};
/// A block of `fill` but for some bytes.
Bytes block_with(const std::string& name, uint8_t fill, const std::vector<At>& bytes) {
  Bytes block(format(name).bytes, fill);
  for (const At& at : bytes) {
    block.at(at.place) = at.byte;
  }
  return block;
}

/// Weights from .. to that are one number.
struct Run {
  size_t from, to;
  double value;
};
/// The block's weights are those of the runs, later ones over earlier ones, and `rest` elsewhere.
void expect_weights(const std::string& name, const Bytes& block, double rest, const std::vector<Run>& runs) {
  std::vector<double> want(format(name).elements, rest);
  for (const Run& run : runs) {
    for (size_t i = run.from; i <= run.to; ++i) {
      want.at(i) = run.value;
    }
  }
  EXPECT_EQ(decoded(name, block), want) << name;
}

TEST(ReferenceFormats, Q4_1) {
  // d = 0.5, m = -2; byte 4: weight 0 has code 3, weight 16 code 15; byte 19: weight 15 code 1, weight 31 code 2.
  expect_weights("Q4_1", block_with("Q4_1", 0, {{1, 0x38}, {3, 0xc0}, {4, 0xf3}, {19, 0x21}}), -2,
                 {{0, 0, -0.5}, {16, 16, 5.5}, {15, 15, -1.5}, {31, 31, -1}});
}

TEST(ReferenceFormats, Q4_0_2023) {
  // d = -0.5; byte 4: weight 0 has code 3, weight 1 code 15; byte 19: weight 30 code 1, weight 31 code 2. All others: 0.
  expect_weights("Q4_0_2023", block_with("Q4_0_2023", 0, {{3, 0xbf}, {4, 0xf3}, {19, 0x21}}), 4,
                 {{0, 0, 2.5}, {1, 1, -3.5}, {30, 30, 3.5}, {31, 31, 3}});
}

TEST(ReferenceFormats, Q4_1_2023) {
  // d = 0.5, m = -2.
  expect_weights("Q4_1_2023", block_with("Q4_1_2023", 0, {{3, 0x3f}, {7, 0xc0}, {8, 0xf3}, {23, 0x21}}), -2,
                 {{0, 0, -0.5}, {1, 1, 5.5}, {30, 30, -1.5}, {31, 31, -1}});
}

TEST(ReferenceFormats, Q8_0_2023) {
  // d = 0.5; bytes are signed.
  expect_weights("Q8_0_2023", block_with("Q8_0_2023", 2, {{0, 0}, {1, 0}, {2, 0}, {3, 0x3f}, {4, 0x80}, {35, 127}}), 1,
                 {{0, 0, -64}, {31, 31, 63.5}});
}

TEST(ReferenceFormats, I2_S) {
  // Byte 0: codes 3, 2, 1 and 0 of weights 0, 32, 64 and 96; byte 31: 0, 1, 2 and 0 of 31, 63, 95 and 127.
  expect_weights(
      "I2_S", block_with("I2_S", 0x55, {{0, 0xe4}, {31, 0x18}}), 0,
      {{0, 0, 2}, {32, 32, 1}, {64, 64, 0}, {96, 96, -1}, {31, 31, -1}, {63, 63, 0}, {95, 95, 1}, {127, 127, -1}});
}

TEST(ReferenceFormats, Q5_1) {
  // d = 2, m = 1; fifth bits of weights 0, 15 and 31; lower ones: weight 0 has 5, 16 has 15, 15 has 3, 31 has 9.
  const Bytes block =
      block_with("Q5_1", 0, {{1, 0x40}, {3, 0x3c}, {4, 0x01}, {5, 0x80}, {7, 0x80}, {8, 0xf5}, {23, 0x93}});
  expect_weights("Q5_1", block, 1, {{0, 0, 43}, {16, 16, 31}, {15, 15, 39}, {31, 31, 51}});
}

TEST(ReferenceFormats, Iq4Nl) {
  // d = 2; codes 15, 1, 0 and 7 stand for 113, -104, -127 and -10; all others are 8, for 1.
  expect_weights("IQ4_NL", block_with("IQ4_NL", 0x88, {{0, 0}, {1, 0x40}, {2, 0x1f}, {17, 0x70}}), 2,
                 {{0, 0, 226}, {16, 16, -208}, {15, 15, -254}, {31, 31, -20}});
}

TEST(ReferenceFormats, Mxfp4) {
  // The exponent 128 is 2; codes 7 and 15 are 6 and -6, 1 is a half, 8 is 0.
  expect_weights("MXFP4", block_with("MXFP4", 0, {{0, 128}, {1, 0xf7}, {16, 0x18}}), 0,
                 {{0, 0, 12}, {16, 16, -12}, {31, 31, 1}});
  EXPECT_EQ(decoded("MXFP4", block_with("MXFP4", 0x22, {{0, 0}}))[5], 0x1p-127);
  EXPECT_EQ(decoded("MXFP4", block_with("MXFP4", 0x11, {{0, 255}}))[5], 0x1p+127) << "no NaN";
}

TEST(ReferenceFormats, Q2_0) {
  // d = 1; byte 2: weights 0 to 3 have codes 0 to 3; byte 17: weight 63 has code 1.
  expect_weights("Q2_0", block_with("Q2_0", 0, {{1, 0x3c}, {2, 0xe4}, {17, 0x40}}), -1,
                 {{1, 1, 0}, {2, 2, 1}, {3, 3, 2}, {63, 63, 0}});
}

TEST(ReferenceFormats, Pq2_0) {
  // d = 1; byte 0: weights 0 to 3 have codes 0 to 3; byte 31: weight 127 has code 1.
  expect_weights("PQ2_0", block_with("PQ2_0", 0, {{1, 0x3c}, {2, 0xe4}, {33, 0x40}}), -1,
                 {{1, 1, 0}, {2, 2, 1}, {3, 3, 2}, {127, 127, 0}});
}

TEST(ReferenceFormats, Tq2_0) {
  // d = 1; byte 0: weights 0, 32, 64 and 96 have codes 0 to 3; byte 63: weight 255 has code 1.
  expect_weights("TQ2_0", block_with("TQ2_0", 0, {{65, 0x3c}, {0, 0xe4}, {63, 0x40}}), -1,
                 {{32, 32, 0}, {64, 64, 1}, {96, 96, 2}, {255, 255, 0}});
}

TEST(ReferenceFormats, Tq1_0) {
  // d = 2; digits 2 1 0 1 2 are 194, as a byte 205 = ceil(194 * 256 / 243); 1 2 0 2 and no fifth are 141, as a byte 149.
  expect_weights("TQ1_0", block_with("TQ1_0", 0, {{53, 0x40}, {0, 205}, {47, 205}, {51, 149}}), -2,
                 {{0, 0, 2},
                  {32, 32, 0},
                  {96, 96, 0},
                  {128, 128, 2},
                  {175, 175, 2},
                  {191, 191, 0},
                  {223, 223, 0},
                  {239, 239, 2},
                  {243, 243, 0},
                  {247, 247, 2},
                  {255, 255, 2}});
}

TEST(ReferenceFormats, Q2K) {
  // d = 1, dmin = 2. Scales and minima: 5 and 3 of weights 0 to 15, 1 and 0 of 32 to 47, 2 and 0 of 96 to 111, 15 and 1 of the last 16;
  // else 0. Byte 16: weights 0, 32, 64 and 96 have codes 0 to 3; byte 79: weight 255 has code 3.
  const Bytes block = block_with(
      "Q2_K", 0, {{81, 0x3c}, {83, 0x40}, {0, 0x35}, {2, 0x01}, {6, 0x02}, {15, 0x1f}, {16, 0xe4}, {79, 0xc0}});
  expect_weights("Q2_K", block, 0, {{0, 15, -6}, {32, 32, 1}, {96, 96, 6}, {240, 254, -2}, {255, 255, 43}});
}

TEST(ReferenceFormats, Q3K) {
  // d = 1. The first scale is 33 - 32, the last 63 - 32, the others 0 - 32; the first code 7 - 4, the last 6 - 4, the others 0 - 4.
  const Bytes block = block_with(
      "Q3_K", 0,
      {{109, 0x3c}, {96, 0x01}, {104, 0x02}, {103, 0xf0}, {107, 0xc0}, {0, 0x01}, {32, 0x03}, {31, 0x80}, {95, 0x80}});
  expect_weights("Q3_K", block, 128, {{0, 0, 3}, {1, 15, -4}, {240, 254, -124}, {255, 255, 62}});
}

// Of Q4_K and Q5_K: d = 1, dmin = 0.5; the first scale and minimum are 5 and 6, the last 43 = 11 + 2 * 16 and 53 = 5 + 3 * 16.
const std::vector<At> kScales = {{1, 0x3c}, {3, 0x38}, {4, 0x05}, {8, 0x06}, {7, 0x80}, {11, 0xc0}, {15, 0x5b}};

TEST(ReferenceFormats, Q4K) {
  Bytes block = block_with("Q4_K", 0, kScales);
  block[16] = 0x0f;   // weight 0 has code 15
  block[143] = 0x70;  // weight 255 has code 7
  expect_weights("Q4_K", block, 0, {{0, 0, 72}, {1, 31, -3}, {224, 254, -26.5}, {255, 255, 274.5}});
}

TEST(ReferenceFormats, Q5K) {
  Bytes block = block_with("Q5_K", 0, kScales);
  block[16] = 0x01;   // the fifth bit of weight 0
  block[47] = 0x80;   // and of weight 255
  block[48] = 0x0f;   // weight 0 has code 31
  block[175] = 0x70;  // weight 255 has code 23
  expect_weights("Q5_K", block, 0, {{0, 0, 152}, {1, 31, -3}, {224, 254, -26.5}, {255, 255, 962.5}});
}

TEST(ReferenceFormats, Q6K) {
  // d = 0.5. The first scale is 2, the last -1, the others 0; the first code 63 - 32, the last 25 - 32, the others 0 - 32.
  const Bytes block =
      block_with("Q6_K", 0, {{209, 0x38}, {192, 2}, {207, 0xff}, {0, 0x0f}, {128, 0x03}, {127, 0x90}, {191, 0x40}});
  expect_weights("Q6_K", block, 0, {{0, 0, 31}, {1, 15, -32}, {240, 254, 16}, {255, 255, 3.5}});
}

TEST(ReferenceFormats, Iq4Xs) {
  // d = 1. The first scale is 33 - 32, the last 63 - 32, the others 0 - 32. The first code stands for 113, the last for -127, the others
  // for 1.
  const Bytes block = block_with(
      "IQ4_XS", 0x88,
      {{0, 0}, {1, 0x3c}, {2, 0x02}, {3, 0xc0}, {4, 0x01}, {5, 0}, {6, 0}, {7, 0xf0}, {8, 0x8f}, {135, 0x08}});
  expect_weights("IQ4_XS", block, -32, {{0, 0, 113}, {1, 31, 1}, {224, 254, 31}, {255, 255, -3937}});
}

TEST(ReferenceFormats, KQuantsAreMultipliedWithQ8K) {
  for (const char* name : {"Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS", "TQ1_0", "TQ2_0"}) {
    EXPECT_EQ(format(name).activations, Activations::q8_k) << name;
  }
  for (const char* name : {"Q4_1", "Q5_1", "IQ4_NL", "MXFP4", "Q2_0"}) {
    EXPECT_EQ(format(name).activations, Activations::q8_0) << name;
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
