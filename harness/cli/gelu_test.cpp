// The GELU of models that have it by erf, computed as llama.cpp does it, beside the reference.
#include "harness/cli/made_up_model.h"

namespace assay {
namespace {

TEST(Gelu, ByTanhMovesTheLogitsAndIsVerified) {
  const MadeUpModel made("gptneox");
  for (const char* force : {"*=scalar", ""}) {
    const auto logits = [&](std::optional<Gelu> gelu) {
      return expect_agreement(made, force, 1, {.cache = CacheType::f32, .gelu = gelu}, "gptneox");
    };
    const std::vector<float> by_erf = logits(std::nullopt);
    EXPECT_EQ(logits(Gelu::erf), by_erf);
    EXPECT_NE(logits(Gelu::tanh), by_erf);
  }
}

TEST(Gelu, VerificationKnowsOneFromTheOther) {
  const MadeUpModel made("gptneox");
  const GgufFile file = made.file();
  Dispatch dispatch(detect_cpu(), Dispatch::Options{});
  for (const bool by_tanh : {false, true}) {
    Model model(file, dispatch, 1, {.cache = CacheType::f32, .gelu = by_tanh ? Gelu::tanh : Gelu::erf});
    Verification other(file, false, model.sizes().n_ctx, !by_tanh);
    other.compare(kMadeUpPrompt, model.eval(kMadeUpPrompt));
    EXPECT_GT(other.worst_over_bound(), 1) << by_tanh;
  }
}

TEST(Gelu, WhereThereIsNoneByErfTheOptionIsRefused) {
  for (const Architecture& a : architectures()) {
    for (const Gelu gelu : {Gelu::erf, Gelu::tanh}) {
      const std::string message = MadeUpModel(a.name).refusal({.gelu = gelu});
      if (std::string_view(a.name) == "gptneox") {
        EXPECT_EQ(message, "");
      } else {
        EXPECT_NE(message.find("model.gguf: --gelu is for models"), std::string::npos) << a.name << ": " << message;
      }
    }
  }
}

TEST(Gelu, Flag) {
  MadeUpModel made("gptneox");
  const GgufFile file = made.fit_for_llama_cpp().file();
  const auto run = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"run", "-m",       file.path(),      "-p",           "123", "-n",
                                          "4",   "--verify", "--list-choices", "--cache-type", "f32"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto result = run_assay(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    return result.out;
  };
  const auto uses = [](const std::string& choices, const char* kernel) {
    return choices.find(kernel) != std::string::npos;
  };
  const std::string usual = run({});
  EXPECT_TRUE(uses(usual, "gelu_erf_f32 ") && !uses(usual, "gelu_f32 ")) << usual;
  const std::string by_tanh = run({"--gelu", "tanh"});
  EXPECT_TRUE(uses(by_tanh, "gelu_f32 ") && !uses(by_tanh, "gelu_erf_f32 ")) << by_tanh;
  expect_refused({"run", "-p", "1+1=", "--gelu", "tanh"},
                 "--gelu is for models whose GELU is by erf, and gpt2 is none");
  expect_refused({"run", "-m", file.path(), "-p", "1", "--gelu", "sigmoid"}, "--gelu");
}

}  // namespace
}  // namespace assay
