// Shrinking, saving and replaying, on a planted defect: through the executable that has them.
#include "harness/check/shrink.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "harness/check/saved_failure.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

struct Output {
  std::string text;
  int status;
};

Output run(const std::string& words) {
  std::FILE* pipe = popen((std::string(ASSAY_SELFTEST_BINARY) + " " + words + " 2>&1").c_str(), "r");
  Output out{"", 0};
  std::array<char, 4096> part{};
  for (size_t n = 0; (n = std::fread(part.data(), 1, part.size(), pipe)) > 0;) {
    out.text.append(part.data(), n);
  }
  out.status = WEXITSTATUS(pclose(pipe));
  return out;
}

class SavedFailureTest : public testing::Test {
 protected:
  SavedFailureTest()
      : folder_(std::filesystem::temp_directory_path() / ("assay_failure_" + std::to_string(getpid()))) {}
  ~SavedFailureTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
};

TEST_F(SavedFailureTest, IsTheSmallestCaseAndReplays) {
  const Output found = run("check --kernel add_f32 --variant 'x87!stack_left' --save " + folder_.string());
  EXPECT_EQ(found.status, 1) << found.text;
  EXPECT_NE(found.text.find("[x87-stack]"), std::string::npos) << found.text;
  EXPECT_NE(found.text.find("add_f32/x87!stack_left:n=1,class=zeros,"), std::string::npos) << found.text;
  const auto file = std::filesystem::directory_iterator(folder_)->path();
  const Output again = run("check --replay " + file.string());
  EXPECT_EQ(again.status, 1) << again.text;
  EXPECT_NE(again.text.find("[x87-stack]"), std::string::npos) << again.text;
}

TEST_F(SavedFailureTest, OtherFilesAreRefused) {
  std::filesystem::create_directories(folder_);
  const std::string path = folder_ / "file.json";
  for (const char* text : {"", "{", "[]", "{}", R"({"assay_failure": 2, "case": "dot_f32/scalar:n=1"})",
                           R"({"assay_failure": 1, "case": 7})", R"({"assay_failure": 1, "case": ""})",
                           R"({"assay_failure": 1, "case": "dot_f32/scalar:m=1"})"}) {
    std::ofstream(path) << text;
    EXPECT_THROW(read_failure(path), InputError) << text;
  }
  EXPECT_THROW(read_failure(folder_ / "missing.json"), InputError);
}

TEST(Shrink, ACaseThatPassesStaysAsItIs) {
  const CaseId id = case_from("dot_f32/scalar:n=17,class=normal,alias=none,seed=0x1f");
  EXPECT_EQ(to_string(shrink(detect_cpu(), id)), to_string(id));
}

}  // namespace
}  // namespace assay
