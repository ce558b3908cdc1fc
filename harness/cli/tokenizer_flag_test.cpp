// --tokenizer, through the program, of a LLaMA of 2023 whose tokens have no scores.
#include <gtest/gtest.h>

#include <algorithm>

#include "harness/runtime/testing.h"
#include "runner/old_ggml_raw.h"

namespace assay {
namespace {

constexpr const char* kSaysLongest = "assay: text becomes tokens by the longest match, as in KoAlpaca.cpp";

class OldModelFile {
 public:
  OldModelFile() {
    const auto era = std::ranges::find(old_eras(), "ggml q4_0", &OldEra::name);
    const std::vector<std::byte> bytes = OldLlama(32, 1, 1, 32, 96).file(*era).bytes;
    write_all(path(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    write_all(folder_.path("script"), "hello\n");
  }
  std::string path() const { return folder_.path("old.bin"); }

  Run run(std::vector<std::string> options) const {
    const std::vector<std::string> rest = {"-m", path(), "-t", "1", "-n", "1", "--force", "*=scalar"};
    options.insert(options.end(), rest.begin(), rest.end());
    return run_assay(options);
  }
  Run chat(std::vector<std::string> options) const {
    options.insert(options.begin(), {"chat", "-f", folder_.path("script")});
    return run(options);
  }

 private:
  TemporaryFolder folder_;
};

bool says(const Run& run, const std::string& part) { return run.err.find(part) != std::string::npos; }

TEST(TokenizerFlag, SaysWhichRuleCounts) {
  const OldModelFile file;
  // " hello" is one token, and so is "he" with "llo" the longest; each after the one that begins a text.
  const auto scores = file.run({"run", "-p", "hello"});
  EXPECT_EQ(scores.status, 0) << scores.err;
  EXPECT_TRUE(says(scores, "tokens have no scores")) << scores.err;
  EXPECT_FALSE(says(scores, kSaysLongest));
  const auto longest = file.run({"run", "-p", "hello", "--tokenizer", "longest-match"});
  EXPECT_EQ(longest.status, 0) << longest.err;
  EXPECT_TRUE(says(longest, kSaysLongest)) << longest.err;
  EXPECT_TRUE(says(longest, "prompt: 3 tokens")) << longest.err;
  EXPECT_TRUE(says(file.run({"run", "-p", " hello", "--tokenizer", "longest-match"}), "prompt: 2 tokens"));
  EXPECT_FALSE(says(file.run({"run", "-q", "-p", "hello", "--tokenizer", "longest-match"}), "longest"));
}

TEST(TokenizerFlag, KoAlpacaTakesTheLongestUnlessToldOtherwise) {
  const OldModelFile file;
  const auto chat = file.chat({"--koalpaca"});
  EXPECT_EQ(chat.status, 0) << chat.err;
  EXPECT_TRUE(says(chat, kSaysLongest)) << chat.err;
  const auto otherwise = file.chat({"--koalpaca", "--tokenizer", "sentence-pieces"});
  EXPECT_EQ(otherwise.status, 0) << otherwise.err;
  EXPECT_FALSE(says(otherwise, kSaysLongest)) << otherwise.err;
  EXPECT_TRUE(says(otherwise, "tokens have no scores")) << otherwise.err;
}

TEST(TokenizerFlag, IsRefusedWhereThereIsNoChoice) {
  const auto pairs = run_assay({"run", "-p", "1+1=", "--tokenizer", "longest-match"});
  EXPECT_EQ(pairs.status, 2);
  EXPECT_TRUE(says(pairs, "--tokenizer is a choice for sentence pieces, llama: leave it out")) << pairs.err;
  const auto unknown = OldModelFile().run({"run", "-p", "a", "--tokenizer", "best"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_TRUE(says(unknown, "--tokenizer")) << unknown.err;
}

}  // namespace
}  // namespace assay
