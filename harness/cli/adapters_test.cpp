// Other people's libraries on trial, where they are installed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "harness/runtime/testing.h"

namespace assay {
namespace {

/// label -> status, of one kernel; empty where the library is not to be had.
std::map<std::string, std::string> verdicts_of(const std::string& adapter, const std::string& kernel) {
  const auto run = run_assay({"check", "--plugin", fmt::format("{}/{}.so", ASSAY_PLUGINS, adapter), "--kernel", kernel,
                              "--variant", adapter + ":*", "--samples", "300", "--no-shrink", "--json"});
  std::map<std::string, std::string> all;
  const auto json = nlohmann::json::parse(run.out, nullptr, false);
  for (const auto& v : json.is_array() ? json : nlohmann::json::array()) {
    all[std::string(v.at("variant")).substr(adapter.size() + 1)] = v.at("status");
  }
  EXPECT_TRUE(!all.empty() || run.err.find(adapter + ": ") != std::string::npos)
      << "it says what is missing: " << run.err;
  return all;
}

TEST(Adapters, LibmvecKeepsWhatGlibcSaysOfIt) {
  const auto verdicts = verdicts_of("libmvec", "exp_f32");
  EXPECT_FALSE(verdicts.empty()) << "glibc has it";
  for (const auto& [label, status] : verdicts) {
    EXPECT_TRUE(status == "claimed" || status == "not-runnable") << label << " " << status;
  }
}

TEST(Adapters, SleefKeepsTheContract) {
  for (const auto& [label, status] : verdicts_of("sleef", "exp_f32")) {
    EXPECT_TRUE(status == "pass" || status == "not-runnable") << label << " " << status;
  }
}

TEST(Adapters, VolksCompilerOrcLosesMxcsr) {
  const auto verdicts = verdicts_of("volk", "add_f32");
  if (verdicts.contains("u_orc")) {
    EXPECT_EQ(verdicts.at("u_orc"), "fail");
    EXPECT_EQ(verdicts.at("generic"), "pass");
  }
}

TEST(Adapters, OfOpenBlasEveryCoresDotIsTried) {
  for (const auto& [label, status] : verdicts_of("openblas", "dot_f32")) {
    EXPECT_TRUE(status == "pass" || status == "not-runnable") << label << " " << status;
  }
}

TEST(Adapters, WithoutItsFolderTheAdapterOfGgmlSaysWhatItWants) {
  const std::string adapter = fmt::format("{}/ggml.so", ASSAY_PLUGINS);
  for (const std::string& plugin : {adapter, adapter + ":/no/such/folder"}) {
    const auto run = run_assay({"list", "--plugin", plugin});
    EXPECT_EQ(run.status, 2) << run.err;
    EXPECT_NE(run.err.find("ggml: "), std::string::npos) << run.err;
  }
}

}  // namespace
}  // namespace assay
