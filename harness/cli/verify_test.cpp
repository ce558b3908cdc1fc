// Defects planted in what the runner alone sees: it runs on a changed copy of the file, the reference on the true one. So a
// decode that is wrong, or a tensor taken for another, must show as a difference.
#include "harness/cli/verify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "harness/runtime/rng.h"
#include "harness/runtime/testing.h"
#include "reference/formats.h"
#include "runner/linear.h"
#include "runner/model.h"
#include "runner/tokenizer.h"

namespace assay {
namespace {

/// A model file in memory, whose tensors can be changed.
class ModelCopy {
 public:
  explicit ModelCopy(std::string bytes) : bytes_(std::move(bytes)), file_(parse()) {}

  const GgufFile& file() const { return file_; }

  std::span<char> data(const std::string& name) {
    const Tensor& t = file_.tensor(name);
    return {bytes_.data() + (reinterpret_cast<const char*>(t.data.data()) - bytes_.data()), t.data.size()};
  }

  /// As a runner has it that takes each for the other.
  void exchange(const std::string& a, const std::string& b) {
    ASSERT_EQ(file_.tensor(a).type, file_.tensor(b).type);
    ASSERT_EQ(data(a).size(), data(b).size());
    std::ranges::swap_ranges(data(a), data(b));
  }

 private:
  GgufFile parse() const { return GgufFile::parse("copy", std::as_bytes(std::span(bytes_))); }

  std::string bytes_;
  GgufFile file_;
};

const char* const kModel = ASSAY_SOURCE_DIR "/models/sums.gguf";

/// The shipped model with matrices of another type.
class Converted {
 public:
  explicit Converted(const std::string& type) {
    EXPECT_EQ(run_assay({"quantize", kModel, path(), "--type", type, "--force", "*=scalar"}).status, 0);
  }
  std::string path() const { return folder_.path("model.gguf"); }

 private:
  TemporaryFolder folder_;
};

/// The runner on `seen` beside the reference on `truth`: a prompt, then what the runner makes of it, four steps in all.
Verification verified(const GgufFile& seen, const GgufFile& truth) {
  Dispatch::Options options;
  options.force = "*=scalar";
  Dispatch dispatch(detect_cpu(), options);
  const Tokenizer tokenizer(truth);
  Model model(seen, dispatch, 1);
  Verification verification(truth);
  std::vector<int32_t> tokens = tokenizer.encode("42+58=");
  for (int step = 0; step < 4; ++step) {
    const auto logits = model.eval(tokens);
    verification.compare(tokens, logits);
    tokens = {static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin())};
  }
  return verification;
}

void expect_caught(const ModelCopy& seen, const std::string& truth, const std::string& what) {
  const Verification v = verified(seen.file(), GgufFile::open(truth));
  EXPECT_FALSE(v.passed()) << what << ": " << v.summary();
  EXPECT_GT(v.worst_over_bound(), 3) << what << ": " << v.summary();  // far from what passes
}

TEST(Verify, AModelOfEachTypePassesByFar) {
  for (const char* type : {"", "f16", "q1_0"}) {
    const std::optional<Converted> converted =
        *type != 0 ? std::optional<Converted>(std::in_place, type) : std::nullopt;
    const GgufFile file = GgufFile::open(converted ? converted->path() : kModel);
    const Verification v = verified(file, file);
    EXPECT_TRUE(v.passed()) << v.summary();
    EXPECT_EQ(v.steps(), 4u);
    EXPECT_EQ(v.agreed(), 4u);
    EXPECT_LT(v.worst_over_bound(), 0.25) << v.summary();
    EXPECT_GT(v.worst_over_bound(), 0) << "a float and a double do not agree so well: is it the runner's own model?";
  }
}

TEST(Verify, HalvesReadWithTheirBytesExchangedAreCaught) {
  const Converted truth("f16");
  for (const char* name : {"blk.0.attn_qkv.weight", "blk.1.ffn_down.weight", "position_embd.weight"}) {
    ModelCopy seen(read_all(truth.path()));
    ASSERT_EQ(seen.file().tensor(name).type, TensorType::f16);
    const auto data = seen.data(name);
    for (size_t i = 0; i < data.size(); i += 2) {
      data[i + 1] = static_cast<char>(data[i + 1] & 0xbf);  // no Inf nor NaN: those would be easy
      std::swap(data[i], data[i + 1]);
      data[i + 1] = static_cast<char>(data[i + 1] & 0xbf);
    }
    expect_caught(seen, truth.path(), name);
  }
}

TEST(Verify, HalvesWhoseLastBitsAreDroppedAreCaught) {
  const Converted truth("f16");
  ModelCopy seen(read_all(truth.path()));
  const auto data = seen.data("blk.0.ffn_up.weight");
  for (size_t i = 0; i < data.size(); i += 2) {
    data[i] = static_cast<char>(data[i] & 0xf8);  // as bfloat16 has them: 7 bits of fraction
  }
  expect_caught(seen, truth.path(), "fractions of 7 bits");
}

TEST(Verify, BitsOfQ1ReadFromTheOtherEndAreCaught) {
  const Converted truth("q1_0");
  ModelCopy seen(read_all(truth.path()));
  const auto data = seen.data("blk.0.ffn_up.weight");
  for (size_t i = 0; i < data.size(); ++i) {
    if (i % 18 >= 2) {
      unsigned reversed = 0;
      for (unsigned bit = 0; bit < 8; ++bit) {
        reversed |= (static_cast<unsigned char>(data[i]) >> bit & 1u) << (7 - bit);
      }
      data[i] = static_cast<char>(reversed);
    }
  }
  expect_caught(seen, truth.path(), "most significant bit first");
}

TEST(Verify, ScalesOfQ1OfTheNextBlockAreCaught) {
  const Converted truth("q1_0");
  ModelCopy seen(read_all(truth.path()));
  const auto data = seen.data("blk.0.attn_qkv.weight");
  for (size_t i = 0; i + 18 < data.size(); i += 18) {
    data[i] = data[i + 18];
    data[i + 1] = data[i + 19];
  }
  expect_caught(seen, truth.path(), "d of the next block");
}

TEST(Verify, TensorsExchangedByTheRunnerAreCaught) {
  for (const auto& [a, b] : std::vector<std::pair<std::string, std::string>>{
           {"blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"},
           {"blk.0.attn_norm.bias", "blk.0.ffn_norm.bias"},
           {"blk.1.ffn_norm.weight", "output_norm.weight"},
           {"blk.0.attn_output.weight", "blk.1.attn_output.weight"},
           {"blk.0.attn_output.bias", "blk.0.ffn_down.bias"},
       }) {
    ModelCopy seen(read_all(kModel));
    seen.exchange(a, b);
    expect_caught(seen, kModel, a + " for " + b);
  }
}

TEST(Verify, WrongLogitsAreCaughtWhereTheMostProbableTokenAgrees) {
  const GgufFile file = GgufFile::open(kModel);
  const Tokenizer tokenizer(file);
  Dispatch::Options options;
  options.force = "*=scalar";
  Dispatch dispatch(detect_cpu(), options);
  Model model(file, dispatch, 1);
  const auto tokens = tokenizer.encode("5+7=");
  const auto logits = model.eval(tokens);
  const std::vector<float> right(logits.begin(), logits.end());
  const auto least = std::ranges::min_element(right) - right.begin();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float wrong : {right[static_cast<size_t>(least)] - 1, nan, -std::numeric_limits<float>::infinity()}) {
    std::vector<float> changed = right;
    changed[static_cast<size_t>(least)] = wrong;
    Verification v(file);
    v.compare(tokens, changed);
    EXPECT_EQ(v.agreed(), 1u) << wrong;
    EXPECT_FALSE(v.passed()) << wrong;
  }
  Verification v(file);
  v.compare(tokens, std::span(right).first(right.size() - 1));
  EXPECT_FALSE(v.passed()) << "a logit is missing";
}

TEST(Verify, AnotherNumberOfHeadsInTheRunnerIsCaught) {
  std::string bytes = read_all(kModel);
  const std::string key = "gpt2.attention.head_count";
  const size_t at = bytes.find(key) + key.size() + 4;  // past the number of the value's type
  uint32_t heads = 0;
  std::memcpy(&heads, bytes.data() + at, sizeof heads);
  ASSERT_EQ(heads, GgufFile::open(kModel).u32(key));
  heads /= 2;
  std::memcpy(bytes.data() + at, &heads, sizeof heads);
  const ModelCopy seen{std::move(bytes)};
  ASSERT_EQ(seen.file().u32(key), heads);
  expect_caught(seen, kModel, "half as many heads");
}

// The two tables of formats were written apart, and so were the decoders: all that the runner reads is compared.
TEST(Verify, TheRunnersFormatsAreTheReferences) {
  for (const TensorTypeInfo& info : tensor_types()) {
    const reference::Format* format = reference::find_format(static_cast<uint32_t>(info.type));
    ASSERT_NE(format, nullptr) << info.name;
    EXPECT_EQ(format->name, info.name);
    EXPECT_EQ(format->elements, info.block) << info.name;
    EXPECT_EQ(format->bytes, info.block_bytes) << info.name;
  }
}

void expect_same_weights(TensorType type, std::span<const std::byte> bytes) {
  const reference::Format& format = *reference::find_format(static_cast<uint32_t>(type));
  const size_t blocks = bytes.size() / format.bytes;
  Tensor t{"all", type, 1, {blocks * format.elements, 1, 1, 1}, blocks * format.elements, bytes, {}};
  Dispatch dispatch(detect_cpu(), Dispatch::Options{});
  const std::vector<float> got = tensor_floats(t, dispatch);
  const auto want = reference::decode(format, reinterpret_cast<const uint8_t*>(bytes.data()), blocks);
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) {
    const auto value = static_cast<double>(got[i]);
    ASSERT_TRUE(std::isnan(want[i]) ? std::isnan(value)
                                    : value == want[i] && std::signbit(value) == std::signbit(want[i]))
        << format.name << ", weight " << i << " is " << value << ", expected " << want[i];
  }
}

TEST(Verify, EveryHalfIsDecodedAlike) {
  std::vector<uint16_t> all(0x10000);
  for (size_t i = 0; i < all.size(); ++i) {
    all[i] = static_cast<uint16_t>(i);
  }
  expect_same_weights(TensorType::f16, std::as_bytes(std::span(all)));
}

TEST(Verify, RandomBlocksAreDecodedAlike) {
  Rng rng(7);
  for (const auto& [type, bytes] : {std::pair{TensorType::f32, 4u}, std::pair{TensorType::q1_0, 18u}}) {
    std::vector<uint8_t> random(5000 * bytes);
    for (auto& b : random) {
      b = static_cast<uint8_t>(rng.next());
    }
    expect_same_weights(type, std::as_bytes(std::span(random)));
  }
}

}  // namespace
}  // namespace assay
