#include "runner/gguf.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "harness/runtime/error.h"
#include "runner/gguf_raw.h"

namespace assay {
namespace {

using Bytes = std::vector<std::byte>;

using Raw = RawGguf;

/// The copy ends where its allocation ends, so that AddressSanitizer sees one byte too many.
GgufFile parse(const Bytes& bytes) {
  static Bytes kept;
  kept = Bytes(bytes.begin(), bytes.end());
  return GgufFile::parse("test.gguf", kept);
}

/// The message of the InputError that parsing throws; empty if it does not.
std::string parse_error(const Bytes& bytes) {
  try {
    parse(bytes);
  } catch (const InputError& e) {
    return e.what();
  }
  return "";
}

#define EXPECT_REJECTED(raw, part)                                                      \
  do {                                                                                  \
    const std::string message = parse_error((raw).bytes);                               \
    EXPECT_NE(message.find(part), std::string::npos) << "message: '" << message << "'"; \
    EXPECT_EQ(message.rfind("test.gguf: byte ", 0), 0u) << message;                     \
    EXPECT_NE(message.find("; "), std::string::npos) << "no remedy: " << message;       \
  } while (false)

TEST(GgufTest, HeaderFields) {
  EXPECT_REJECTED(Raw(), "magic");
  EXPECT_REJECTED(Raw().text("GGUX").num<uint32_t>(3).num<uint64_t>(0).num<uint64_t>(0), "47 47 55 58");
  EXPECT_REJECTED(Raw().text("GGUF").num<uint32_t>(1).num<uint64_t>(0).num<uint64_t>(0), "version: 1");
  EXPECT_REJECTED(Raw().text("GGUF").num<uint32_t>(0x03000000).num<uint64_t>(0).num<uint64_t>(0), "big-endian");
  EXPECT_EQ(parse_error(Raw().header(0, 0).bytes), "");
  for (const uint64_t n :
       {uint64_t{1}, uint64_t{65'536}, uint64_t{65'537}, uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX}) {
    EXPECT_REJECTED(Raw().header(n, 0), "byte 8: tensor count: " + std::to_string(n));
    EXPECT_REJECTED(Raw().header(0, n), "byte 16: metadata key count: " + std::to_string(n));
    EXPECT_NE(parse_error(Raw().header(n, 0).data(1000).bytes), "");
    EXPECT_NE(parse_error(Raw().header(0, n).data(1000).bytes), "");
  }
}

TEST(GgufTest, Metadata) {
  const auto key = [](std::string_view name, uint32_t type) { return Raw().header(0, 1).str(name).num(type); };
  EXPECT_EQ(parse_error(key("k", 0).num<uint8_t>(1).bytes), "");
  EXPECT_REJECTED(key("", 0).num<uint32_t>(1), "empty");
  EXPECT_REJECTED(key("k", 13).num<uint64_t>(1), "value type 13 is unknown");
  EXPECT_REJECTED(key("k", UINT32_MAX).num<uint64_t>(1), "value type 4294967295");
  EXPECT_REJECTED(key("k", 7).num<uint8_t>(2), "boolean is 2");
  EXPECT_REJECTED(key(std::string(65'536, 'k'), 0).num<uint8_t>(1), "limit of 65535");
  EXPECT_REJECTED(Raw().header(0, 2).str("k").num(0).num<uint8_t>(1).str("k").num(0).num<uint8_t>(1),
                  "'k': occurs twice");
  EXPECT_REJECTED(Raw().header(0, 1).str("a\x1b[2J").num(99).num(0), "a\\x1b[2J");
  for (const uint64_t n : {uint64_t{9}, uint64_t{1} << 24, uint64_t{1} << 40, UINT64_MAX - 7, UINT64_MAX}) {
    EXPECT_REJECTED(key("k", 8).num(n).num<uint64_t>(0), std::to_string(n));          // string
    EXPECT_REJECTED(key("k", 9).num(0).num(n).num<uint64_t>(0), std::to_string(n));   // uint8
    EXPECT_REJECTED(key("k", 9).num(7).num(n).num<uint64_t>(0), std::to_string(n));   // bool
    EXPECT_REJECTED(key("k", 9).num(8).num(n).num<uint64_t>(0), std::to_string(n));   // string
    EXPECT_REJECTED(key("k", 9).num(12).num(n).num<uint64_t>(0), std::to_string(n));  // float64
    EXPECT_REJECTED(Raw().header(0, 1).num(n).num<uint64_t>(0), std::to_string(n));   // key
  }
  EXPECT_REJECTED(key("k", 9).num(9).num<uint64_t>(1).num(0).num<uint64_t>(0), "array of arrays");
  EXPECT_REJECTED(key("k", 9).num(13).num<uint64_t>(0), "value type 13 is unknown");
}

TEST(GgufTest, Alignment) {
  const auto aligned = [](uint32_t n) { return Raw().header(0, 1).str("general.alignment").num(4).num(n); };
  for (const uint32_t n : {8u, 32u, 64u, 4096u, 1u << 31}) {
    EXPECT_EQ(parse_error(aligned(n).bytes), "") << n;
    EXPECT_EQ(parse(aligned(n).bytes).alignment(), n);
  }
  for (const uint32_t n : {0u, 1u, 4u, 24u, 33u, UINT32_MAX}) {
    EXPECT_REJECTED(aligned(n), std::to_string(n) + " is not a power of two");
  }
  EXPECT_REJECTED(Raw().header(0, 1).str("general.alignment").num(5).num(32), "32-bit unsigned");
  EXPECT_REJECTED(Raw().header(1, 1).str("general.alignment").num(4).num(1u << 31).tensor("t", {1}, 0, 0).data(4),
                  "padding before the tensor data");
}

TEST(GgufTest, Tensors) {
  const auto one = [](std::vector<uint64_t> ne, uint32_t type, uint64_t offset) {
    return Raw().header(1, 0).tensor("t", std::move(ne), type, offset).data(1024);
  };
  EXPECT_EQ(parse_error(one({256}, 0, 0).bytes), "");
  EXPECT_EQ(parse_error(one({8, 4, 4, 2}, 0, 0).bytes), "");
  EXPECT_REJECTED(one({}, 0, 0), "0 dimensions");
  EXPECT_REJECTED(one({1, 1, 1, 1, 1}, 0, 0), "5 dimensions");
  EXPECT_REJECTED(Raw().header(1, 0).str("t").num(UINT32_MAX).data(64), "4294967295 dimensions");
  EXPECT_REJECTED(one({0}, 0, 0), "dimension 0 is 0");
  EXPECT_REJECTED(one({4, 4, 0}, 0, 0), "dimension 2 is 0");
  EXPECT_REJECTED(one({257}, 0, 0), "not inside");
  EXPECT_REJECTED(one({UINT64_MAX}, 0, 0), "overflows");
  EXPECT_REJECTED(one({uint64_t{1} << 62}, 0, 0), "overflows");
  EXPECT_REJECTED(one({uint64_t{1} << 32, uint64_t{1} << 32}, 0, 0), "overflows");
  EXPECT_REJECTED(one({1, UINT64_MAX, UINT64_MAX, UINT64_MAX}, 1, 0), "overflows");
  EXPECT_REJECTED(one({uint64_t{1} << 32, uint64_t{1} << 31}, 41, 0), "overflows");
  EXPECT_REJECTED(one({uint64_t{1} << 40}, 41, 0), "not inside");
  EXPECT_REJECTED(one({33}, 8, 0), "not whole blocks of 32 of type Q8_0");
  EXPECT_REJECTED(one({64}, 41, 0), "not whole blocks of 128 of type Q1_0");
  EXPECT_REJECTED(one({4}, 4, 0), "tensor type 4 is not among 0 (F32), 1 (F16), ");
  EXPECT_REJECTED(one({4}, UINT32_MAX, 0), "tensor type 4294967295");
  EXPECT_REJECTED(one({4}, 0, 16), "data offset 16 is not a multiple of 32");
  EXPECT_REJECTED(one({4}, 0, 1024), "not inside");
  EXPECT_REJECTED(one({4}, 0, UINT64_MAX - 31), "not inside");
  EXPECT_REJECTED(one({16}, 0, 992), "not inside");
  EXPECT_EQ(parse_error(one({8}, 0, 992).bytes), "");
  EXPECT_REJECTED(Raw().header(1, 0).tensor("", {1}, 0, 0).data(4), "name: is empty");
  EXPECT_REJECTED(Raw().header(1, 0).tensor(std::string(65, 'n'), {1}, 0, 0).data(4), "limit of 64");
}

TEST(GgufTest, SeveralTensors) {
  const auto two = [](std::string_view name, uint64_t a, uint64_t b) {
    return Raw().header(2, 0).tensor("a", {16}, 0, a).tensor(name, {16}, 0, b).data(256);
  };
  EXPECT_EQ(parse_error(two("b", 0, 64).bytes), "");
  EXPECT_EQ(parse_error(two("b", 64, 0).bytes), "") << "the order of the data is free";
  EXPECT_EQ(parse_error(two("b", 0, 192).bytes), "") << "and so are gaps";
  EXPECT_REJECTED(two("b", 0, 32), "tensor 'b': data offset 32 lies inside tensor 'a'");
  EXPECT_REJECTED(two("b", 32, 0), "tensor 'a': data offset 32 lies inside tensor 'b'");
  EXPECT_REJECTED(two("b", 64, 64), "lies inside");
  EXPECT_REJECTED(two("a", 0, 64), "'a': occurs twice");
}

// 36 is BitNet's I2_S: two bits a weight, and 32 bytes behind them of which the first four are the scale of all. It was a former
// arrangement of IQ4_NL, of 18 bytes for 32 weights.
TEST(GgufTest, ScaleOfATensor) {
  const auto one = [](size_t size, float scale) {
    Raw raw = Raw().header(2, 0).tensor("a", {128, 4}, 36, 0).tensor("b", {8}, 0, (size + 31) / 32 * 32).data(size);
    const size_t at = raw.bytes.size() - size;
    std::memcpy(&raw.bytes[at + 128], &scale, sizeof scale);
    return raw.data(32);
  };
  const Raw right = one(160, 0.75f);
  const GgufFile file = parse(right.bytes);
  EXPECT_EQ(file.tensors()[0].data.size(), 128u);
  EXPECT_EQ(file.tensors()[0].tail.size(), 32u);
  EXPECT_EQ(file.tensors()[0].n_elements, 512u);
  EXPECT_EQ(file.tensors()[0].scale(), 0.75f);
  EXPECT_EQ(file.tensors()[1].scale(), 1.0f);
  EXPECT_REJECTED(one(160, NAN), "its scale is nan");
  EXPECT_REJECTED(one(288, 1.0f), "of type 36, of which it would have 160 bytes");
}

// 42 was PrismML's number of blocks of 128 weights in 34 bytes before it was ggml's of 64 weights in 18.
TEST(GgufTest, TypeThatHadAnotherMeaning) {
  const auto types = [](const Bytes& bytes) {
    const GgufFile file = parse(bytes);
    return std::pair(tensor_type_info(file.tensors()[0].type).name, file.tensors()[0].data.size());
  };
  using Type = std::pair<std::string, size_t>;
  const auto two = [](uint64_t rows, uint64_t second, size_t size) {
    return Raw().header(2, 0).tensor("a", {256, rows}, 42, 0).tensor("b", {256, rows}, 42, second).data(size).bytes;
  };
  EXPECT_EQ(types(two(8, 576, 1152)), Type("Q2_0", 576));
  EXPECT_EQ(types(two(8, 544, 1088)), Type("PQ2_0", 544));
  EXPECT_EQ(types(two(8, 544, 1116)), Type("PQ2_0", 544)) << "with a remainder of padding";
  EXPECT_EQ(types(two(1, 96, 192)), Type("Q2_0", 72)) << "where both fit, today's";
  EXPECT_EQ(types(two(8, 4096, 8192)), Type("Q2_0", 576)) << "where neither does, likewise";
  EXPECT_REJECTED(Raw().header(2, 0).tensor("a", {64, 32}, 42, 0).tensor("b", {64, 32}, 42, 544).data(1200),
                  "lies inside tensor 'a'");  // rows that are no blocks of 128
  EXPECT_EQ(types(Raw().header(1, 0).tensor("a", {128, 2}, 142, 0).data(68).bytes), Type("PQ2_0", 68));
}

}  // namespace
}  // namespace assay
