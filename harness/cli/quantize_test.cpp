// Weights that are no numbers are refused where they stand, and nothing is written.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "harness/runtime/testing.h"
#include "runner/gguf.h"
#include "runner/gguf_writer.h"

namespace assay {
namespace {

constexpr uint64_t kCols = 128, kRows = 4;

/// A file of one matrix, which can be quantized, and one vector, which cannot.
std::string write_weights(const TemporaryFolder& folder, std::vector<float> matrix, std::vector<float> vector) {
  const std::string path = folder.path("in.gguf");
  const std::vector<GgufTensorInfo> infos = {{"blk.0.ffn_up.weight", TensorType::f32, {kCols, kRows}},
                                             {"blk.0.ffn_up.bias", TensorType::f32, {kRows}}};
  matrix.resize(kCols * kRows, 0.5f);
  vector.resize(kRows, 0.5f);
  const std::vector<std::span<const std::byte>> data = {std::as_bytes(std::span(matrix)),
                                                        std::as_bytes(std::span(vector))};
  write_gguf(path, {}, infos, data);
  return path;
}

void expect_refused_weights(const std::vector<float>& matrix, const std::vector<float>& vector, const std::string& type,
                            const std::string& part) {
  const TemporaryFolder folder;
  const std::string in = write_weights(folder, matrix, vector);
  expect_refused({"quantize", in, folder.path("out.gguf"), "--type", type, "--force", "*=scalar"}, part);
  EXPECT_EQ(folder.names(), std::vector<std::string>{"in.gguf"}) << "quantize left something";
}

TEST(Quantize, WeightsThatAreNoNumbersAreNamed) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  for (const float bad : {std::nanf(""), -std::nanf("1"), kInf, -kInf}) {
    std::vector<float> matrix(kCols * kRows, 0.25f);
    matrix[2 * kCols + 5] = bad;
    for (const char* type : {"f16", "q1_0"}) {
      expect_refused_weights(matrix, {}, type, "tensor 'blk.0.ffn_up.weight': element 261 (row 2, column 5) is ");
      expect_refused_weights({}, {0, 0, 0, bad}, type, "tensor 'blk.0.ffn_up.bias': element 3 ");
    }
  }
}

TEST(Quantize, WeightsThatBecomeInfiniteAreNamed) {
  // 65504 is the largest half; from 65520 on it rounds to infinity.
  expect_refused_weights({1, 65520}, {}, "f16", "element 1 (row 0, column 1) is inf in F16");
  const TemporaryFolder folder;
  const std::string in = write_weights(folder, {1, 65519}, {});
  EXPECT_EQ(run_assay({"quantize", in, folder.path("out.gguf"), "--type", "f16"}).status, 0);
  // The scale of a block is a half, too.
  expect_refused_weights(std::vector<float>(kCols, 1e6f), {}, "q1_0", "in Q1_0");
}

// The shipped model in each type, whose answer the double-precision reference agrees with. Its rows are no blocks of 256: K-quants and
// ternary types fall back, as llama.cpp has it.
TEST(Quantize, TheShippedModelRunsInEveryType) {
  const std::string model = std::string(ASSAY_SOURCE_DIR) + "/models/sums.gguf";
  const std::map<std::string, std::string> becomes = {{"q8_0", "q8_0"},   {"q4_k_m", "q5_0"}, {"q2_k", "iq4_nl"},
                                                      {"tq2_0", "q4_0"},  {"q6_k", "q8_0"},   {"mxfp4", "mxfp4"},
                                                      {"q5_k_s", "q5_1"}, {"bf16", "bf16"},   {"q2_0", "q2_0"}};
  const TemporaryFolder folder;
  for (const auto& [type, format] : becomes) {
    const std::string out = folder.path(type + ".gguf");
    ASSERT_EQ(run_assay({"quantize", model, out, "--type", type}).status, 0) << type;
    const GgufFile file = GgufFile::open(out);
    EXPECT_EQ(tensor_type_info(file.find_tensor("blk.0.ffn_up.weight")->type).format->name, format) << type;
    const auto run = run_assay({"run", "-m", out, "--quiet", "--verify", "--prompt", "5+7="});
    EXPECT_EQ(run.status, 0) << type << run.out << run.err;
    EXPECT_TRUE(run.out.find("12") != std::string::npos) << type << run.out;
  }
}

}  // namespace
}  // namespace assay
