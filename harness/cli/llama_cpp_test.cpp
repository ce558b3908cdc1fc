// Models of every architecture beside llama.cpp's own, by npm's node-llama-cpp (ci/peers.sh), where the environment's ASSAY_NODE_MODULES
// names the folder that it is in; else skipped. Where the two differ the reference in double, which is beside them, decides.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "harness/cli/made_up_model.h"
#include "harness/runtime/formats.h"

namespace assay {
namespace {

constexpr size_t kLlamaSteps = 63;
constexpr double kLlamaFar = 0.05;  // of a probability

/// What the command writes; "" if it fails.
std::string output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  std::string all;
  char part[4096];
  for (size_t n = 0; (n = fread(part, 1, sizeof part, pipe)) > 0;) {
    all.append(part, n);
  }
  return pclose(pipe) == 0 ? all : "";
}

template <class T>
std::vector<double> softmax_of_all(std::span<const T> logits) {
  const auto most = static_cast<double>(*std::ranges::max_element(logits));
  std::vector<double> p;
  double sum = 0;
  for (const T logit : logits) {
    p.push_back(std::exp(static_cast<double>(logit) - most));
    sum += p.back();
  }
  std::ranges::transform(p, p.begin(), [&](double x) { return x / sum; });
  return p;
}

/// The largest differences from the reference's probabilities.
struct LlamaDistance {
  double ours = 0, theirs = 0;
  size_t far = 0;  ///< steps in which theirs are off by over kLlamaFar
};

double distance_of(const std::vector<double>& p, const std::vector<double>& q) {
  double most = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    most = std::max(most, std::fabs(p[i] - q[i]));
  }
  return most;
}

/// Greedy from a first token on, by the reference. False: llama.cpp does not take the file.
bool compare_with_llama_cpp(const MadeUpModel& made, const char* modules, LlamaDistance& distance) {
  const GgufFile file = made.file();
  Dispatch dispatch(detect_cpu(), Dispatch::Options{});
  Model model(file, dispatch, 1);
  Verification verification(file, model.sizes().block.cache == CacheType::f16, model.sizes().n_ctx);
  std::string tokens;
  std::vector<std::vector<double>> ours;
  std::vector<std::vector<double>> wanted;
  for (int32_t token = 3; wanted.size() < kLlamaSteps;) {
    tokens += fmt::format(" {}", token);
    const auto logits = model.eval(std::span(&token, 1));
    verification.compare(std::span(&token, 1), logits);
    ours.push_back(softmax_of_all(logits));
    wanted.push_back(softmax_of_all(verification.wanted()));
    // The second one in turn, as the most probable one soon repeats itself.
    auto ranked = wanted.back();
    ranked[static_cast<size_t>(token)] = 0;
    token = static_cast<int32_t>(std::ranges::max_element(ranked) - ranked.begin());
  }
  const std::string bytes = output_of(fmt::format("node '{}/ci/llama_cpp.mjs' '{}' '{}' logits{} 2>/dev/null",
                                                  ASSAY_SOURCE_DIR, modules, file.path(), tokens));
  if (bytes.size() != sizeof(float) * kLlamaSteps * MadeUpModel::kVocabulary) {
    return false;
  }
  std::vector<float> theirs(kLlamaSteps * MadeUpModel::kVocabulary);
  std::memcpy(theirs.data(), bytes.data(), bytes.size());
  for (size_t step = 0; step < kLlamaSteps; ++step) {
    const auto row = std::span(theirs).subspan(step * MadeUpModel::kVocabulary, MadeUpModel::kVocabulary);
    const std::vector<double> p(row.begin(), row.end());
    distance.ours = std::max(distance.ours, distance_of(ours[step], wanted[step]));
    distance.theirs = std::max(distance.theirs, distance_of(p, wanted[step]));
    distance.far += distance_of(p, wanted[step]) > kLlamaFar ? 1 : 0;
  }
  return true;
}

TEST(LlamaCpp, EveryArchitectureSaysTheSame) {
  const char* modules = std::getenv("ASSAY_NODE_MODULES");
  if (modules == nullptr) {
    GTEST_SKIP() << "ASSAY_NODE_MODULES is not set: ci/peers.sh sets it";
  }
  fmt::print(
      "| architecture | matrices | ours off by | llama.cpp off by | steps over {} of {} |\n|---|---|---|---|---|\n",
      kLlamaFar, kLlamaSteps);
  size_t taken = 0;
  for (const Architecture& a : architectures()) {
    for (const char* format : {"", "q8_0", "q4_0", "q5_1"}) {
      const weight_format* of = *format != '\0' ? &find_format(format) : nullptr;
      MadeUpModel made(a.name, 1, of, true);
      made.fit_for_llama_cpp();
      LlamaDistance distance;
      if (!compare_with_llama_cpp(made, modules, distance)) {
        fmt::print("| {} | {} | | not taken | |\n", a.name, *format != '\0' ? format : "floats");
        continue;
      }
      ++taken;
      fmt::print("| {} | {} | {:.1e} | {:.1e} | {} |\n", a.name, *format != '\0' ? format : "floats", distance.ours,
                 distance.theirs, distance.far);
      EXPECT_LT(distance.ours, 0.02) << a.name << " " << format;
      // It rounds activations to F16 and BF16 where weights are, which moves a step now and then; another graph moves them all.
      EXPECT_LE(distance.far, kLlamaSteps / 10) << a.name << " " << format;
    }
  }
  EXPECT_GE(taken, 36u);  // it knows no bitnet-b1.58
}

}  // namespace
}  // namespace assay
