// llama.cpp, by npm's node-llama-cpp: what tests hold the runner against. ci/peers.sh installs it and runs them.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

namespace assay {

/// The folder that it is in, as the environment's ASSAY_NODE_MODULES says; nullptr: there is none, and a test is to be skipped.
inline const char* node_modules() { return std::getenv("ASSAY_NODE_MODULES"); }

/// A test that is skipped where there is none.
class LlamaCpp : public testing::Test {
 protected:
  void SetUp() override {
    if (node_modules() == nullptr) {
      GTEST_SKIP() << "ASSAY_NODE_MODULES is not set: ci/peers.sh sets it";
    }
  }
};

/// What the command writes; "" if it fails.
inline std::string output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  std::string all;
  char part[4096];
  for (size_t n = 0; (n = fread(part, 1, sizeof part, pipe)) > 0;) {
    all.append(part, n);
  }
  return pclose(pipe) == 0 ? all : "";
}

/// What ci/llama_cpp.mjs writes of a model file; `rest`: its command and what belongs to that. "" if it does not take the model.
inline std::string output_of_llama_cpp(const std::string& model, const std::string& rest) {
  return output_of(fmt::format("node '{}/ci/llama_cpp.mjs' '{}' '{}' {} 2>/dev/null", ASSAY_SOURCE_DIR, node_modules(),
                               model, rest));
}

/// The probabilities of all tokens after each of those of `texts`, each of which begins anew: rows of `vocabulary`, text after text. None
/// if it does not take the model.
inline std::vector<std::vector<float>> llama_cpp_probabilities(const std::string& model, size_t vocabulary,
                                                               std::span<const std::vector<int32_t>> texts) {
  std::string tokens;
  size_t rows = 0;
  for (const std::vector<int32_t>& text : texts) {
    tokens += rows == 0 ? "" : " /";
    for (const int32_t token : text) {
      tokens += fmt::format(" {}", token);
    }
    rows += text.size();
  }
  const std::string bytes = output_of_llama_cpp(model, "logits" + tokens);
  if (bytes.size() != sizeof(float) * rows * vocabulary) {
    return {};
  }
  std::vector<std::vector<float>> all(rows, std::vector<float>(vocabulary));
  for (size_t i = 0; i < rows; ++i) {
    std::memcpy(all[i].data(), bytes.data() + i * sizeof(float) * vocabulary, sizeof(float) * vocabulary);
  }
  return all;
}

}  // namespace assay
