// The shipped model through the runner: it answers every sum that it claims, whatever the variants.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "harness/runtime/error.h"
#include "runner/testing.h"

namespace assay {
namespace {

const char* const kModel = ASSAY_SOURCE_DIR "/models/sums.gguf";
constexpr int kLargest = 99;
constexpr int kPairs = (kLargest + 1) * (kLargest + 1);

/// Continues "a+b=".
std::string sum_by(GreedyModel& model, int a, int b) {
  model.forget();
  return model.answer(model.tokenizer().encode(std::to_string(a) + "+" + std::to_string(b) + "="), 4);
}

int count_right(GreedyModel& model) {
  int right = 0;
  for (int a = 0; a <= kLargest; ++a) {
    for (int b = 0; b <= kLargest; ++b) {
      right += sum_by(model, a, b) == std::to_string(a + b);
    }
  }
  return right;
}

void expect_all_right(const std::string& variant) {
  GreedyModel model(kModel, variant);
  EXPECT_EQ(count_right(model), kPairs);
  model.expect_variant();
}

TEST(Model, FiveAndSeven) {
  GreedyModel model(kModel, "");
  EXPECT_EQ(sum_by(model, 5, 7), "12");
}

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

TEST(SlowModel, AllPairsThroughTheChosenVariants) { expect_all_right(""); }
TEST(SlowModel, AllPairsThroughScalar) { expect_all_right("scalar"); }
TEST(SlowModel, AllPairsThroughX87) { expect_all_right("x87"); }

// One bit a weight is not expected to add: what it reaches is reported, not asserted.
TEST(SlowModel, AccuracyOfTheQ1Form) {
  const std::string path =
      std::filesystem::temp_directory_path() / ("assay_model_test_" + std::to_string(getpid()) + ".gguf");
  ASSERT_EQ(std::system(
                (std::string(ASSAY_BINARY) + " quantize " + kModel + " " + path + " --type q1_0 > /dev/null").c_str()),
            0);
  GreedyModel model(path, "");
  const int right = count_right(model);
  std::filesystem::remove(path);
  std::printf("the Q1_0 form answers %d of %d sums\n", right, kPairs);
  RecordProperty("right", right);
  const auto ran = model.ran();
  EXPECT_TRUE(std::ranges::any_of(ran, [](const auto& entry) { return entry.first.starts_with("matmul_q1_0/"); }));
}

}  // namespace
}  // namespace assay
