// Other people's libraries on trial, where they are installed.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "harness/runtime/testing.h"

namespace assay {
namespace {

/// label -> status, of one kernel; empty where the library is not to be had. `argument`: what stands behind the plug-in's colon.
std::map<std::string, std::string> verdicts_of(const std::string& adapter, const std::string& kernel,
                                               const std::string& argument = "") {
  const std::string plugin = fmt::format("{}/{}.so{}{}", ASSAY_PLUGINS, adapter, argument.empty() ? "" : ":", argument);
  const auto run = run_assay({"check", "--plugin", plugin, "--kernel", kernel, "--variant", adapter + ":*", "--samples",
                              "300", "--no-shrink", "--json"});
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

TEST(Adapters, OfBlisTheConfigurationThatIsNamedIsTried) {
  for (const std::string configuration : {"generic", "sandybridge", "haswell"}) {
    for (const auto& [label, status] : verdicts_of("blis", "dot_f32", configuration)) {
      EXPECT_EQ(label, configuration);
      EXPECT_TRUE(status == "claimed" || status == "not-runnable") << label << " " << status;
    }
  }
}

TEST(Adapters, OfOneDnnTheLimitThatIsNamedIsTried) {
  for (const std::string limit : {"sse41", "avx2"}) {
    for (const auto& [label, status] : verdicts_of("onednn", "layer_norm_f32", limit)) {
      EXPECT_EQ(label, limit);
      EXPECT_TRUE(status == "claimed" || status == "not-runnable") << label << " " << status;
    }
  }
}

TEST(Adapters, OneDnnsProductsKeepWhatIsClaimed) {
  for (const auto& [label, status] : verdicts_of("onednn", "matmul_f32", "avx2")) {
    EXPECT_TRUE(status == "claimed" || status == "not-runnable") << label << " " << status;
  }
}

TEST(Adapters, SayWhatTheyWantBehindTheColon) {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"ggml", ""},
      {"ggml", ":/no/such/folder"},
      {"ggml_graphs", ""},
      {"ggml_graphs", ":/no/such/folder"},
      {"ggml_repack", ""},
      {"ggml_repack", ":/no/such/folder"},
      {"ik", ""},
      {"ik", ":/no/such/libggml.so"},
      {"blis", ":no_such_cpu"},
      {"blis", ":haswell:/no/such/libblis.so"},
      {"onednn", ":no_such_isa"},
      {"onednn", ":avx2:/no/such/libdnnl.so"},
  };
  for (const auto& [adapter, argument] : wrong) {
    const auto run = run_assay({"list", "--plugin", fmt::format("{}/{}.so{}", ASSAY_PLUGINS, adapter, argument)});
    EXPECT_EQ(run.status, 2) << run.err;
    EXPECT_NE(run.err.find(adapter + ": "), std::string::npos) << run.err;
  }
}

/// Against llama.cpp's libraries where ASSAY_GGML_BASE names their libggml-base.so (ci/peers.sh installs it); else skipped.
class GgmlAdapters : public testing::Test {
 protected:
  void SetUp() override {
    const char* base = std::getenv("ASSAY_GGML_BASE");
    if (base == nullptr || *base == '\0') {
      GTEST_SKIP() << "ASSAY_GGML_BASE names no libggml-base.so";
    }
    folder_ = std::filesystem::path(base).parent_path().string();
  }
  /// Of all builds that run here.
  void expect(const std::string& adapter, const std::string& kernel, const std::string& status) const {
    const auto all = verdicts_of(adapter, kernel, folder_);
    EXPECT_FALSE(all.empty()) << adapter << " has no " << kernel;
    for (const auto& [label, is] : all) {
      EXPECT_TRUE(is == status || is == "not-runnable") << kernel << "/" << label << " " << is;
    }
  }

 private:
  std::string folder_;
};

TEST_F(GgmlAdapters, RepackedProductsKeepTheirClaims) {
  for (const char* kernel : {"matmul_q4_0", "matmul_iq4_nl", "matmul_mxfp4", "matmul_q2_k", "matmul_q4_k"}) {
    expect("ggml_repack", kernel, "claimed");
  }
}

TEST_F(GgmlAdapters, GraphsAreJudged) {
  for (const char* kernel : {"add_f32", "mul_f32", "scale_f32"}) {
    expect("ggml_graphs", kernel, "claimed");
  }
}

}  // namespace
}  // namespace assay
