#include "harness/cli/model_shapes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harness/bench/choose.h"
#include "harness/runtime/error.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

const std::string kSums = ASSAY_SOURCE_DIR "/models/sums.gguf";

TEST(ModelShapes, AreThoseThatARunAsksFor) {
  const auto shapes = shapes_of_model(detect_cpu(), kSums);
  const auto listed = run_assay({"run", "--list-choices", "--quiet", "-m", kSums});
  ASSERT_EQ(listed.status, 0) << listed.err;
  size_t found = 0;
  for (const auto& [name, of_kernel] : shapes) {
    const Kernel& kernel = find_kernel(name);
    for (const Shape& shape : of_kernel) {
      EXPECT_EQ(shape.size(), kernel.dims().size()) << name;
      found += listed.out.find(kernel.text_of(shape)) != std::string::npos;
    }
  }
  EXPECT_GE(found, shapes.size());
  // The last key of the context is seen.
  const auto& attention = shapes.at("attention_f32");
  EXPECT_TRUE(std::ranges::any_of(attention, [](const Shape& s) { return s[0] == 1 && s[1] > 30; }));
}

TEST(ModelShapes, AreCheckedAndTimed) {
  const auto check = run_assay({"check", "-m", kSums, "--variant", "scalar,sse", "--json"});
  ASSERT_EQ(check.status, 0) << check.err;
  const auto verdicts = nlohmann::json::parse(check.out);
  const auto shapes = shapes_of_model(detect_cpu(), kSums);
  EXPECT_EQ(verdicts.size(), 2 * shapes.size());
  for (const auto& verdict : verdicts) {
    EXPECT_GE(verdict.at("samples").get<size_t>(), shapes.at(verdict.at("kernel")).size()) << verdict.dump();
  }
  const auto listed = run_assay({"tune", "-m", kSums, "--dry-run"});
  ASSERT_EQ(listed.status, 0) << listed.err;
  size_t count = 0;
  for (const auto& [name, of_kernel] : shapes) {
    for (const Shape& shape : of_kernel) {
      EXPECT_NE(listed.out.find(find_kernel(name).text_of(shape)), std::string::npos) << name;
      ++count;
    }
  }
  EXPECT_EQ(static_cast<size_t>(std::ranges::count(listed.out, '\n')), count + 1);
}

TEST(ModelShapes, OtherChoicesStayInTheProfile) {
  if (kSanitized) {
    GTEST_SKIP() << "tunes, which takes long under a sanitizer";
  }
  const TemporaryFolder folder;
  const std::string path = folder.path("profile.json");
  const std::vector<std::string> tune = {"tune", "-m", kSums, "--out", path, "--json"};
  Profile before = choose(detect_cpu(), {}, {});
  Choice other{"add_f32",           "L1", "scalar", {12345}, "measured", {{"status", "pass"}, {"samples", 100}},
               {{"median_ns", 1.0}}};
  other.code = find_variant("add_f32/scalar").code;
  before.choices = {other};
  write_profile(path, before);
  const auto tuned = run_assay(tune);
  ASSERT_EQ(tuned.status, 0) << tuned.err;
  const auto choices = nlohmann::json::parse(read_all(path)).at("choices");
  EXPECT_GT(choices.size(), 1u);
  EXPECT_EQ(std::ranges::count_if(choices, [](const auto& c) { return c.at("shape") == nlohmann::json{12345}; }), 1);

  // What is no profile is not written over.
  write_all(path, "my notes");
  const auto refused = run_assay(tune);
  EXPECT_EQ(refused.status, 2);
  EXPECT_NE(refused.err.find(path), std::string::npos) << refused.err;
  EXPECT_EQ(read_all(path), "my notes");
}

TEST(ModelShapes, WrongUsage) {
  EXPECT_EQ(run_assay({"check", "-m", "/nowhere.gguf"}).status, 2);
  EXPECT_EQ(run_assay({"tune", "-m", "/nowhere.gguf", "--dry-run"}).status, 2);
  const auto none = run_assay({"check", "-m", kSums, "--kernel", "rope_f32"});
  EXPECT_EQ(none.status, 2);
  EXPECT_NE(none.err.find("layer_norm_f32"), std::string::npos) << none.err;
  EXPECT_NE(run_assay({"check", "-m", kSums, "--samples", "5"}).status, 0);
}

}  // namespace
}  // namespace assay
