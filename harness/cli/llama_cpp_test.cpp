// Models of every architecture beside llama.cpp's own, by npm's node-llama-cpp (ci/peers.sh), where the environment's ASSAY_NODE_MODULES
// names the folder that it is in; else skipped. Where the two differ the reference in double, which is beside them, decides. GPT-NeoX has the
// GELU by tanh here, as llama.cpp has it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "harness/cli/llama_cpp.h"
#include "harness/cli/made_up_model.h"
#include "harness/runtime/formats.h"

namespace assay {
namespace {

constexpr size_t kLlamaSteps = 63;
constexpr double kLlamaFar = 0.05;  // of a probability

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
bool compare_with_llama_cpp(const MadeUpModel& made, LlamaDistance& distance, const ContextOptions& options = {}) {
  const GgufFile file = made.file();
  Dispatch dispatch(detect_cpu(), Dispatch::Options{});
  Model model(file, dispatch, 1, options);
  Verification verification(file, model.sizes());
  std::vector<int32_t> tokens;
  std::vector<std::vector<double>> ours;
  std::vector<std::vector<double>> wanted;
  for (int32_t token = 3; wanted.size() < kLlamaSteps;) {
    tokens.push_back(token);
    const auto logits = model.eval(std::span(&token, 1));
    verification.compare(std::span(&token, 1), logits);
    ours.push_back(softmax_of_all(logits));
    wanted.push_back(softmax_of_all(verification.wanted()));
    // The second one in turn, as the most probable one soon repeats itself.
    auto ranked = wanted.back();
    ranked[static_cast<size_t>(token)] = 0;
    token = static_cast<int32_t>(std::ranges::max_element(ranked) - ranked.begin());
  }
  const auto theirs = llama_cpp_probabilities(file.path(), MadeUpModel::kVocabulary, std::span(&tokens, 1));
  for (size_t step = 0; step < theirs.size(); ++step) {
    const std::vector<double> p(theirs[step].begin(), theirs[step].end());
    distance.ours = std::max(distance.ours, distance_of(ours[step], wanted[step]));
    distance.theirs = std::max(distance.theirs, distance_of(p, wanted[step]));
    distance.far += distance_of(p, wanted[step]) > kLlamaFar ? 1 : 0;
  }
  return !theirs.empty();
}

TEST_F(LlamaCpp, EveryArchitectureSaysTheSame) {
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
      ContextOptions options;
      if (a.activation == Activation::gelu_erf) {
        options.gelu = Gelu::tanh;
      }
      if (!compare_with_llama_cpp(made, distance, options)) {
        fmt::print("| {} | {} | | not taken | |\n", a.name, *format != '\0' ? format : "floats");
        continue;
      }
      ++taken;
      fmt::print("| {} | {} | {:.1e} | {:.1e} | {} |\n", a.name, *format != '\0' ? format : "floats", distance.ours,
                 distance.theirs, distance.far);
      EXPECT_LT(distance.ours, 0.02) << a.name << " " << format;
      // It rounds activations to F16 and BF16 where weights are, which may move a step; another graph moves them all.
      EXPECT_LE(distance.far, 1u) << a.name << " " << format;
    }
  }
  EXPECT_GE(taken, 36u);  // it knows no bitnet-b1.58
}

}  // namespace
}  // namespace assay
