#include "runner/gguf_writer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "harness/runtime/error.h"
#include "harness/runtime/rng.h"

namespace assay {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::byte>;

class GgufWriterTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::path(testing::TempDir()) / ("gguf_test_" + std::to_string(getpid()));
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string path(const std::string& name) const { return (directory_ / name).string(); }
  size_t files() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()));
  }

  static Bytes read(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    const std::string s((std::istreambuf_iterator<char>(in)), {});
    const auto view = std::as_bytes(std::span(s));
    return {view.begin(), view.end()};
  }

  fs::path directory_;
};

const std::vector<GgufKeyValue> kMetadata{
    {"u8", uint8_t{200}},
    {"i8", int8_t{-3}},
    {"u16", uint16_t{65535}},
    {"i16", int16_t{-32768}},
    {"u32", uint32_t{4294967295u}},
    {"i32", int32_t{-5}},
    {"f32", 1.5f},
    {"true", true},
    {"string", std::string("a\0b", 3)},
    {"u64", uint64_t{1} << 63},
    {"i64", int64_t{-7}},
    {"f64", 1e300},
    {"strings", GgufArray(std::vector<std::string>{"x", "", "yz"})},
    {"i8s", GgufArray(std::vector<int8_t>{-1, 0, 1})},
    {"u64s", GgufArray(std::vector<uint64_t>{1, uint64_t{1} << 31})},
    {"bools", GgufArray(std::vector<bool>{true, false})},
    {"f64s", GgufArray(std::vector<double>{0.5, -2})},
    {"empty", GgufArray(std::vector<float>{})},
};

const std::vector<GgufTensorInfo> kTensors{{"f16", TensorType::f16, {3, 5}},
                                           {"q8_0", TensorType{8}, {64}},
                                           {"q1_0", TensorType::q1_0, {256, 2, 1, 1}},
                                           {"f32", TensorType::f32, {4, 2, 1}}};

std::vector<Bytes> example_data() {
  Rng rng(1);
  std::vector<Bytes> data;
  for (const auto& tensor : kTensors) {
    data.emplace_back(tensor_bytes(tensor.type, tensor.ne));
    for (auto& b : data.back()) {
      b = static_cast<std::byte>(rng.below(256));
    }
  }
  return data;
}

void write_example(const std::string& path) {
  const auto data = example_data();
  write_gguf(path, kMetadata, kTensors, std::vector<std::span<const std::byte>>(data.begin(), data.end()));
}

TEST_F(GgufWriterTest, WhatIsWrittenIsRead) {
  write_example(path("a.gguf"));
  EXPECT_EQ(files(), 1u) << "a temporary file is left";
  const GgufFile file = GgufFile::open(path("a.gguf"));
  EXPECT_EQ(file.alignment(), 32u);
  ASSERT_EQ(file.metadata().size(), kMetadata.size());
  for (size_t i = 0; i < kMetadata.size(); ++i) {
    EXPECT_EQ(file.metadata()[i].key, kMetadata[i].key);
    EXPECT_TRUE(file.metadata()[i].value == kMetadata[i].value) << kMetadata[i].key;
  }
  const auto data = example_data();
  ASSERT_EQ(file.tensors().size(), kTensors.size());
  for (size_t i = 0; i < kTensors.size(); ++i) {
    const Tensor& tensor = file.tensor(kTensors[i].name);
    EXPECT_EQ(&tensor, &file.tensors()[i]);
    EXPECT_EQ(tensor.type, kTensors[i].type);
    EXPECT_TRUE(std::ranges::equal(tensor.shape(), kTensors[i].ne));
    EXPECT_TRUE(std::ranges::equal(tensor.data, data[i]));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(tensor.data.data()) % 32, 0u);
  }
  EXPECT_EQ(file.tensor("f16").n_elements, 15u);
  EXPECT_EQ(file.tensor("q1_0").n_elements, 512u);
  EXPECT_EQ(file.tensor("q1_0").data.size(), 4u * 18u);
  EXPECT_EQ(file.tensor("f16").ne, (std::array<uint64_t, 4>{3, 5, 1, 1}));
  EXPECT_EQ(file.find_tensor("none"), nullptr);
  EXPECT_THROW(file.tensor("none"), InputError);
}

TEST_F(GgufWriterTest, ACopyOfAFileIsTheSameFile) {
  write_example(path("a.gguf"));
  const GgufFile file = GgufFile::open(path("a.gguf"));
  GgufWriter writer(path("b.gguf"), file.metadata(), kTensors);
  for (const auto& tensor : file.tensors()) {  // in two pieces
    writer.write(tensor.data.first(1));
    writer.write(tensor.data.subspan(1));
  }
  writer.finish();
  EXPECT_EQ(read(path("a.gguf")), read(path("b.gguf")));
}

TEST_F(GgufWriterTest, MovedFileKeepsItsData) {
  write_example(path("a.gguf"));
  GgufFile first = GgufFile::open(path("a.gguf"));
  const auto* data = first.tensor("f32").data.data();
  GgufFile second = std::move(first);
  EXPECT_EQ(second.tensor("f32").data.data(), data);
  EXPECT_EQ(second.u32("u8"), 200u);
}

TEST_F(GgufWriterTest, TypedMetadata) {
  write_example(path("a.gguf"));
  const GgufFile file = GgufFile::open(path("a.gguf"));
  EXPECT_EQ(file.u32("u8"), 200u);
  EXPECT_EQ(file.u32("u32"), 4294967295u);
  EXPECT_EQ(file.u64("u64"), uint64_t{1} << 63);
  EXPECT_EQ(file.i32("i16"), -32768);
  EXPECT_EQ(file.i32("i64"), -7);
  EXPECT_EQ(file.f32("f32"), 1.5f);
  EXPECT_TRUE(file.boolean("true"));
  EXPECT_EQ(file.string("string"), std::string("a\0b", 3));
  EXPECT_EQ(file.strings("strings"), (std::vector<std::string>{"x", "", "yz"}));
  EXPECT_EQ(file.i32s("i8s"), (std::vector<int32_t>{-1, 0, 1}));
  EXPECT_EQ(file.f32s("f64s"), (std::vector<float>{0.5f, -2}));
  EXPECT_TRUE(file.f32s("empty").empty());

  EXPECT_THROW(file.u32("i8"), InputError);    // negative
  EXPECT_THROW(file.u32("u64"), InputError);   // too large
  EXPECT_THROW(file.i32("u32"), InputError);   // too large
  EXPECT_THROW(file.u32("f32"), InputError);   // not an integer
  EXPECT_THROW(file.u32("true"), InputError);  // a boolean is no integer
  EXPECT_THROW(file.boolean("u8"), InputError);
  EXPECT_THROW(file.f32("f64"), InputError);  // over float's range
  EXPECT_THROW(file.f32("u8"), InputError);
  EXPECT_THROW(file.string("u8"), InputError);
  EXPECT_THROW(file.strings("i8s"), InputError);
  EXPECT_THROW(file.strings("string"), InputError);
  EXPECT_THROW(file.i32s("u64s"), InputError);  // 2^31
  EXPECT_THROW(file.i32s("bools"), InputError);
  EXPECT_THROW(file.u32("none"), InputError);
  EXPECT_THROW(file.strings("none"), InputError);

  EXPECT_EQ(file.find_u32("none"), std::nullopt);
  EXPECT_EQ(file.find_u32("u8"), 200u);
  EXPECT_EQ(file.find_string("none"), nullptr);
  EXPECT_EQ(file.find_strings("none"), nullptr);
  EXPECT_EQ(file.find_i32s("none"), std::nullopt);
  EXPECT_THROW(file.find_u32("string"), InputError);
  try {
    file.u32("i8");
  } catch (const InputError& e) {
    EXPECT_EQ(e.what(), path("a.gguf") +
                            ": metadata key 'i8': is int8 -3, not an integer in "
                            "[0, 2^32); re-convert the model");
  }
}

TEST_F(GgufWriterTest, EveryTruncationIsRejected) {
  write_example(path("a.gguf"));
  const Bytes whole = read(path("a.gguf"));
  ASSERT_EQ(whole.size() % 32, 0u);
  for (size_t n = 0; n < whole.size(); ++n) {
    // A copy of its own, so that AddressSanitizer sees one byte too many.
    const Bytes cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n));
    EXPECT_THROW(GgufFile::parse("test.gguf", cut), InputError) << "cut to " << n << " of " << whole.size() << " bytes";
  }
}

TEST_F(GgufWriterTest, TruncatedMappedFilesAreRejected) {
  write_example(path("a.gguf"));
  for (auto n = static_cast<off_t>(fs::file_size(path("a.gguf"))) - 1; n >= 0; n -= 37) {
    ASSERT_EQ(truncate(path("a.gguf").c_str(), n), 0);
    EXPECT_THROW(GgufFile::open(path("a.gguf")), InputError) << n;
  }
}

TEST_F(GgufWriterTest, DamagedBytesNeverCrash) {
  write_example(path("a.gguf"));
  const Bytes whole = read(path("a.gguf"));
  size_t rejected = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const int change : {0x01, 0x10, 0x80, 0xff}) {
      Bytes damaged = whole;
      damaged[i] ^= static_cast<std::byte>(change);
      try {  // a changed value is a file like any other
        const GgufFile file = GgufFile::parse("test.gguf", damaged);
        for (const auto& tensor : file.tensors()) {
          EXPECT_EQ(tensor.data.size() + tensor.tail.size(), tensor_bytes(tensor.type, tensor.shape()));
        }
      } catch (const InputError&) {
        ++rejected;
      }
    }
  }
  EXPECT_GT(rejected, whole.size());
  Rng rng(2);
  for (int i = 0; i < 5000; ++i) {
    Bytes damaged = whole;
    for (uint64_t n = 1 + rng.below(8); n > 0; --n) {
      damaged[rng.below(damaged.size())] = static_cast<std::byte>(rng.below(256));
    }
    try {
      GgufFile::parse("test.gguf", damaged);
    } catch (const InputError&) {
      ++rejected;
    }
  }
}

TEST_F(GgufWriterTest, PathsThatAreNoFiles) {
  EXPECT_THROW(GgufFile::open(path("none.gguf")), InputError);
  EXPECT_THROW(GgufFile::open(directory_.string()), InputError);
  ASSERT_EQ(mkfifo(path("fifo").c_str(), 0600), 0);
  EXPECT_THROW(GgufFile::open(path("fifo")), InputError);
  EXPECT_THROW(GgufWriter(path("fifo"), {}, {}), InputError);
  EXPECT_THROW(GgufWriter(path("none/a.gguf"), {}, {}), InputError);
  std::ofstream(path("empty.gguf"));
  EXPECT_THROW(GgufFile::open(path("empty.gguf")), InputError);
}

TEST_F(GgufWriterTest, InterruptedWriteLeavesTheEarlierFile) {
  write_example(path("a.gguf"));
  const Bytes before = read(path("a.gguf"));
  {
    GgufWriter writer(path("a.gguf"), {}, kTensors);
    writer.write(std::vector<std::byte>(7));
    EXPECT_EQ(files(), 2u);
    EXPECT_THROW(writer.finish(), InputError);
  }
  EXPECT_EQ(read(path("a.gguf")), before);
  EXPECT_EQ(files(), 1u);
}

TEST_F(GgufWriterTest, WriterTakesTheDataOfItsTensorsOnly) {
  GgufWriter writer(path("a.gguf"), {}, {{"t", TensorType::f32, {2}}});
  EXPECT_THROW(writer.write(Bytes(9)), InputError);
  writer.write(Bytes(8));
  EXPECT_THROW(writer.write(Bytes(1)), InputError);
  writer.finish();
  EXPECT_THROW(writer.finish(), InputError);
  EXPECT_EQ(GgufFile::open(path("a.gguf")).tensor("t").n_elements, 2u);
  EXPECT_THROW(write_gguf(path("b.gguf"), {}, {{"t", TensorType::f32, {2}}}, {}), InputError);
  EXPECT_EQ(files(), 1u);
}

TEST_F(GgufWriterTest, WriterRejectsWhatTheReaderWould) {
  const auto rejects = [&](std::vector<GgufKeyValue> metadata, std::vector<GgufTensorInfo> tensors) {
    EXPECT_THROW(GgufWriter(path("a.gguf"), metadata, std::move(tensors)), InputError);
  };
  const GgufKeyValue key{"k", 1.0f};
  const GgufTensorInfo tensor{"t", TensorType::f32, {1}};
  rejects({key, key}, {});
  rejects({{"", 1.0f}}, {});
  rejects({{std::string(65'536, 'k'), 1.0f}}, {});
  rejects({{"k", GgufArray(std::monostate())}}, {});
  rejects({{"general.alignment", uint32_t{12}}}, {});
  rejects({{"general.alignment", std::string("32")}}, {});
  rejects({}, {tensor, tensor});
  rejects({}, {{"", TensorType::f32, {1}}});
  rejects({}, {{std::string(65, 'n'), TensorType::f32, {1}}});
  rejects({}, {{"t", TensorType::f32, {}}});
  rejects({}, {{"t", TensorType::f32, {1, 1, 1, 1, 1}}});
  rejects({}, {{"t", TensorType::f32, {0}}});
  rejects({}, {{"t", TensorType::q1_0, {129}}});
  rejects({}, {{"t", static_cast<TensorType>(4), {32}}});
  rejects({}, {{"a", TensorType::f32, {uint64_t{1} << 60}}, {"b", TensorType::f32, {uint64_t{1} << 60}}});
  EXPECT_EQ(files(), 0u);
}

TEST_F(GgufWriterTest, WriterKeepsTheAlignmentOfItsMetadata) {
  const std::vector<GgufKeyValue> metadata{{"general.alignment", uint32_t{256}}};
  const Bytes four(4, std::byte{7});
  write_gguf(path("a.gguf"), metadata, {{"a", TensorType::f32, {1}}, {"b", TensorType::f32, {1}}},
             std::vector<std::span<const std::byte>>{four, four});
  const GgufFile file = GgufFile::open(path("a.gguf"));
  EXPECT_EQ(file.alignment(), 256u);
  EXPECT_EQ(file.tensor("b").data.data() - file.tensor("a").data.data(), 256);
  EXPECT_EQ(fs::file_size(path("a.gguf")) % 256, 0u);
}

}  // namespace
}  // namespace assay
