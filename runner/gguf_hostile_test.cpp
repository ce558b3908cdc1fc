// Model files made to do harm: each is refused with a message that names the file, in little time and memory, also by
// `assay run`. ci/fuzz/gguf.cpp tries what nobody thought of.
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "harness/check/testing.h"
#include "harness/runtime/testing.h"
#include "runner/gguf.h"
#include "runner/gguf_raw.h"
#include "runner/model.h"
#include "runner/tokenizer.h"

namespace assay {
namespace {

using Bytes = RawGguf::Bytes;

/// A small file with every kind of field: a tokenizer, sizes, arrays, and four tensors; with `more` > 0, a fifth of so many
/// floats, whose data is left out.
RawGguf whole_file(uint64_t more = 0) {
  RawGguf raw;
  raw.header(more > 0 ? 5 : 4, 11);
  raw.str("general.architecture").num(8u).str("gpt2");
  raw.str("gpt2.context_length").num(4u).num(4u);
  raw.str("gpt2.embedding_length").num(4u).num(4u);
  raw.str("gpt2.attention.head_count").num(4u).num(2u);
  raw.str("gpt2.feed_forward_length").num(4u).num(8u);
  raw.str("gpt2.block_count").num(4u).num(1u);
  raw.str("gpt2.attention.layer_norm_epsilon").num(6u).num(1e-5f);
  raw.str("tokenizer.ggml.model").num(8u).str("gpt2");
  raw.str("tokenizer.ggml.tokens").num(9u).num(8u).num(uint64_t{258});
  for (int b = 0; b < 256; ++b) {
    raw.str(gpt2_spelling(b));
  }
  raw.str("aa").str("<|endoftext|>");
  raw.str("tokenizer.ggml.merges").num(9u).num(8u).num(uint64_t{1}).str("a a");
  raw.str("tokenizer.ggml.eos_token_id").num(4u).num(257u);
  raw.tensor("token_embd.weight", {4, 258}, 0, 0);
  raw.tensor("f16", {3, 2, 1}, 1, 4160);
  raw.tensor("q8", {32}, 8, 4192);
  raw.tensor("q1", {128, 1, 1, 1}, 41, 4256);
  if (more > 0) {
    raw.tensor("more", {more}, 0, 4288);
  }
  raw.data(more > 0 ? 4288 : 4256 + 18);  // to the last byte of q1
  return raw;
}

/// What `assay run` does with a file before the first weight is used. "" if it is taken.
std::string error_of(const Bytes& bytes) {
  const Bytes kept(bytes);  // of its own size: AddressSanitizer sees one byte too many
  return input_error([&] {
    const GgufFile file = GgufFile::parse("the.gguf", kept);
    for (const auto& t : file.tensors()) {
      // Inside the bytes, and of the right size: what the reader promises.
      ASSERT_GE(t.data.data(), kept.data());
      ASSERT_LE(t.data.data() + t.data.size(), kept.data() + kept.size());
      ASSERT_EQ(t.data.size() + t.tail.size(), tensor_bytes(t.type, t.shape()));
    }
    const Tokenizer tokenizer(file);
    ModelSizes::read(file);
  });
}

TEST(HostileGguf, TheFileItselfIsGood) { EXPECT_EQ(error_of(whole_file().bytes), ""); }

TEST(HostileGguf, TruncatedAtEveryByte) {
  const Bytes whole = whole_file().bytes;
  within_limits([&] {
    for (size_t n = 0; n < whole.size(); ++n) {
      const std::string message = error_of(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n)));
      ASSERT_NE(message, "") << "cut to " << n << " of " << whole.size() << " bytes";
      expect_clear(message, "the.gguf: byte ");
    }
  });
}

TEST(HostileGguf, EveryFieldAtItsExtremes) {
  const RawGguf whole = whole_file();
  within_limits([&] {
    size_t refused = 0;
    size_t tried = 0;
    for (const auto& field : whole.fields) {
      const uint64_t max = field.width == 8 ? UINT64_MAX : (uint64_t{1} << (8 * field.width)) - 1;
      const uint64_t sign = uint64_t{1} << (8 * field.width - 1);
      uint64_t now = 0;
      std::memcpy(&now, whole.bytes.data() + field.offset, field.width);
      for (const uint64_t value : {uint64_t{0}, uint64_t{1}, now - 1, now + 1, max, max - 1, max / 8, sign, sign - 1,
                                   sign + 1, uint64_t{1} << 24, uint64_t{0xffffffe0}}) {
        if ((value & max) == now) {
          continue;
        }
        const std::string message = error_of(whole.with(field, value));
        ++tried;
        if (!message.empty()) {
          ++refused;
          expect_clear(message, "the.gguf: ");
        }
      }
    }
    // The others are files like any other: another context length, another end of text, a gap between tensors.
    EXPECT_GT(refused, tried * 9 / 10);
  });
}

TEST(HostileGguf, EveryCountAtItsExtremes) {
  const RawGguf whole = whole_file();
  // All 64-bit fields: the counts of the header, lengths of strings and arrays, dimensions, and offsets of data.
  within_limits([&] {
    for (size_t i = 1; i < whole.fields.size(); ++i) {
      const auto& field = whole.fields[i];
      if (field.width == 8) {
        for (const uint64_t value :
             {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX / 8, uint64_t{1} << 63, uint64_t{1} << 32, uint64_t{1} << 24}) {
          EXPECT_NE(error_of(whole.with(field, value)), "") << "byte " << field.offset << " set to " << value;
        }
      }
    }
  });
}

TEST(HostileGguf, TensorsBeyondTheFileAndOverOneAnother) {
  const auto two = [](uint64_t a, uint64_t b, std::vector<uint64_t> ne) {
    return error_of(RawGguf().header(2, 0).tensor("a", {16}, 0, a).tensor("b", std::move(ne), 0, b).data(256).bytes);
  };
  for (const uint64_t far :
       {uint64_t{224}, uint64_t{256}, uint64_t{1} << 32, uint64_t{1} << 63, UINT64_MAX - 31, UINT64_MAX - 63}) {
    expect_clear(two(0, far, {16}), "tensor 'b': its 64 bytes at data offset");
    expect_clear(two(far, 0, {16}), "tensor 'a': its 64 bytes at data offset");
  }
  expect_clear(two(0, 32, {16}), "lies inside tensor 'a'");
  expect_clear(two(0, 0, {16}), "lies inside tensor");
  expect_clear(two(32, 0, {64}), "lies inside tensor 'b'");
  for (const auto& ne : std::vector<std::vector<uint64_t>>{{UINT64_MAX},
                                                           {uint64_t{1} << 62},
                                                           {uint64_t{1} << 32, uint64_t{1} << 32},
                                                           {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}}) {
    expect_clear(two(0, 64, ne), "overflows");
  }
}

TEST(HostileGguf, HugeStringsAndNestedArrays) {
  within_limits([&] {
    // A string of 16 MiB is the largest; it is not repeated in the message.
    const std::string huge(kGgufMaxStringBytes, '\x1b');
    expect_clear(error_of(RawGguf().header(0, 1).str("general.architecture").num(8u).str(huge).bytes), "the.gguf: ");
    expect_clear(error_of(RawGguf().header(0, 1).str("tokenizer.ggml.model").num(8u).str(huge).bytes),
                 "tokenizer.ggml.model is '\\x1b");
    expect_clear(error_of(RawGguf().header(0, 1).str("k").num(8u).str(huge + "x").bytes), "over the limit");
    expect_clear(error_of(RawGguf().header(0, 1).str(std::string(65'535, '\n')).num(99u).num(0u).bytes),
                 "value type 99");
    // An array in an array in an array, 100'000 deep: it is the first step that is refused.
    RawGguf nested;
    nested.header(0, 1).str("k").num(9u);
    for (int i = 0; i < 100'000; ++i) {
      nested.num(9u).num(uint64_t{1});
    }
    expect_clear(error_of(nested.bytes), "array of arrays");
  });
}

/// A file of terabytes costs nothing where files can have holes: its size bounds no memory.
TEST(HostileGguf, SparseFiles) {
  const TemporaryFolder folder;
  const std::string path = folder.path("sparse.gguf");
  const auto make = [&](const RawGguf& raw, uint64_t size) {
    write_all(path, {reinterpret_cast<const char*>(raw.bytes.data()), raw.bytes.size()});
    ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(size)), 0);
  };
  const auto open = [&] { return input_error([&] { GgufFile::open(path); }); };
  constexpr uint64_t kSize = uint64_t{1} << 40;
  make(RawGguf().header(0, 2).str("k").num(9u).num(10u).num(uint64_t{10'000'000}), kSize);
  expect_clear(open(), "sparse.gguf: byte ");
  make(RawGguf().header(0, 2).str("k").num(9u).num(10u).num(uint64_t{1} << 24), kSize);
  expect_clear(open(), "left in the largest header that is read");
  make(RawGguf().header(65'536, 65'536), kSize);
  expect_clear(open(), "metadata key: is empty");
  make(RawGguf().header(1, 1).str("general.alignment").num(4u).num(1u << 31).tensor("t", {4}, 0, uint64_t{1} << 33),
       kSize);
  EXPECT_EQ(open(), "") << "a hole is no defect";
}

TEST(HostileGguf, AModelLargerThanTheMemoryIsNotTried) {
  const TemporaryFolder folder;
  const std::string path = folder.path("large.gguf");
  constexpr uint64_t kBytes = uint64_t{1} << 43;
  const RawGguf raw = whole_file(kBytes / 4);
  write_all(path, {reinterpret_cast<const char*>(raw.bytes.data()), raw.bytes.size()});
  ASSERT_EQ(truncate(path.c_str(), static_cast<off_t>(raw.bytes.size() + kBytes)), 0);
  const auto run = run_assay({"run", "-q", "-p", "x", "-m", path});
  EXPECT_EQ(run.status, 3) << run.err;
  EXPECT_NE(run.err.find("its weights take 8388608 MiB"), std::string::npos) << run.err;
}

TEST(HostileGguf, ThroughTheCommandLine) {
  const TemporaryFolder folder;
  const RawGguf whole = whole_file();
  const std::string bad = folder.path("bad\x1b[2J.gguf");
  std::vector<std::pair<std::string, Bytes>> files = {
      {"empty", {}},
      {"magic", whole.with({0, 4}, 0)},
      {"version", whole.with(whole.fields[0], 1)},
      {"tensor count", whole.with(whole.fields[1], UINT64_MAX)},
      {"key count", whole.with(whole.fields[2], uint64_t{1} << 63)},
      {"", Bytes(whole.bytes.begin(), whole.bytes.begin() + 1000)},
      {"not inside", Bytes(whole.bytes.begin(), whole.bytes.end() - 64)},
      {"missing", RawGguf().header(0, 0).bytes},
  };
  for (const auto& [part, bytes] : files) {
    write_all(bad, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    expect_refused({"run", "-q", "-p", "x", "-m", bad}, part);
    expect_refused({"run", "-q", "-p", "x", "-m", bad}, "bad\\x1b[2J.gguf");
    expect_refused({"quantize", bad, folder.path("out.gguf"), "--type", "f16"}, "bad\\x1b[2J.gguf");
  }
  for (const std::string& path :
       {folder.path(), folder.path("none.gguf"), std::string("/dev/zero"), std::string("/proc/self/mem")}) {
    expect_refused({"run", "-q", "-p", "x", "-m", path}, path);
  }
  EXPECT_EQ(folder.names().size(), 1u) << "quantize left something";
}

}  // namespace
}  // namespace assay
