// The shipped model through the runner: it answers every sum that it claims, whatever the variants.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "harness/runtime/error.h"
#include "runner/model.h"
#include "runner/tokenizer.h"

namespace assay {
namespace {

const char* const kModel = ASSAY_SOURCE_DIR "/models/sums.gguf";
constexpr int kLargest = 99;
constexpr int kPairs = (kLargest + 1) * (kLargest + 1);

/// Greedy continuation of "a+b=" until the end token.
class Adder {
 public:
  Adder(const std::string& path, const std::string& force)
      : file_(GgufFile::open(path)),
        tokenizer_(file_),
        dispatch_(detect_cpu(), options(force)),
        model_(file_, dispatch_, 1) {}

  std::string answer(int a, int b) {
    model_.reset();
    std::string text;
    std::vector<int32_t> tokens = tokenizer_.encode(std::to_string(a) + "+" + std::to_string(b) + "=");
    while (text.size() < 4) {
      const auto logits = model_.eval(tokens);
      tokens = {static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin())};
      if (tokens[0] == tokenizer_.eos()) {
        break;
      }
      text += tokenizer_.decode_piece(tokens[0]);
    }
    return text;
  }

  int count_right() {
    int right = 0;
    for (int a = 0; a <= kLargest; ++a) {
      for (int b = 0; b <= kLargest; ++b) {
        right += answer(a, b) == std::to_string(a + b);
      }
    }
    return right;
  }

  std::map<std::string, uint64_t> ran() const { return dispatch_.ran(); }

 private:
  static Dispatch::Options options(const std::string& force) {
    Dispatch::Options o;
    o.force = force;
    return o;
  }

  GgufFile file_;
  Tokenizer tokenizer_;
  Dispatch dispatch_;
  Model model_;
};

void expect_all_right(const std::string& force, const std::string& variant) {
  Adder adder(kModel, force);
  EXPECT_EQ(adder.count_right(), kPairs);
  for (const auto& [name, calls] : adder.ran()) {
    if (!variant.empty()) {
      EXPECT_TRUE(name.ends_with("/" + variant)) << name << " ran " << calls << " times";
    }
  }
  EXPECT_FALSE(adder.ran().empty());
}

TEST(Model, FiveAndSeven) { EXPECT_EQ(Adder(kModel, "").answer(5, 7), "12"); }

// What is looked up is known after some steps: a longer text adds a line of attention each time that its keys are twice as many.
TEST(Model, ChoicesDoNotGrowWithTheTokens) {
  const GgufFile file = GgufFile::open(kModel);
  Dispatch dispatch(detect_cpu(), Dispatch::Options{});
  Model model(file, dispatch, 1);
  const std::vector<int32_t> token = {1};
  std::vector<size_t> lines;
  for (size_t i = 0; i < model.sizes().n_ctx; ++i) {
    model.eval(token);
    lines.push_back(dispatch.decisions().size());
  }
  ASSERT_GE(lines.size(), 8u);
  EXPECT_LE(lines.back() - lines.front(), static_cast<size_t>(std::bit_width(lines.size())));
}

TEST(Model, IsUnderTwoMegabytes) { EXPECT_LT(std::filesystem::file_size(kModel), 2'000'000u); }

TEST(SlowModel, AllPairsThroughTheChosenVariants) { expect_all_right("", ""); }
TEST(SlowModel, AllPairsThroughScalar) { expect_all_right("*=scalar", "scalar"); }
TEST(SlowModel, AllPairsThroughX87) { expect_all_right("*=x87", "x87"); }

// One bit a weight is not expected to add: what it reaches is reported, not asserted.
TEST(SlowModel, AccuracyOfTheQ1Form) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("assay_model_test_" + std::to_string(getpid()) + ".gguf");
  ASSERT_EQ(std::system(
                (std::string(ASSAY_BINARY) + " quantize " + kModel + " " + path + " --type q1_0 > /dev/null").c_str()),
            0);
  Adder adder(path, "");
  const int right = adder.count_right();
  std::filesystem::remove(path);
  std::printf("the Q1_0 form answers %d of %d sums\n", right, kPairs);
  RecordProperty("right", right);
  const auto ran = adder.ran();
  EXPECT_TRUE(std::ranges::any_of(ran, [](const auto& entry) { return entry.first.starts_with("matmul_q1_0/"); }));
}

}  // namespace
}  // namespace assay
