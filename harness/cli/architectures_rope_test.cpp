// How positions turn heads: scalings, factors and windows that a file asks for are heeded as the reference heeds them.
#include "harness/cli/made_up_model.h"

namespace assay {
namespace {

TEST(ArchitecturesRope, FactorsOfFrequenciesDivide) {
  MadeUpModel made("llama");
  const auto before = expect_agreement(made, "*=scalar", 1, {}, "without");
  made.add("rope_freqs.weight", {16}, 4, 0.5f);
  EXPECT_NE(before, expect_agreement(made, "*=scalar", 1, {}, "with"));
  made.set("rope.scaling.type", std::string("none")).set("rope.scaling.factor", 8.0f).remove("rope_freqs.weight");
  EXPECT_EQ(before, expect_agreement(made, "*=scalar", 1, {}, "a factor of no scaling"));
  made.add("rope_freqs.weight", {7}, 4, 0.5f);
  EXPECT_NE(made.refusal().find("'rope_freqs.weight' is no vector of 16"), std::string::npos) << made.refusal();
}

TEST(ArchitecturesRope, YarnHeedsItsKeys) {
  for (const char* name : {"llama", "qwen3", "gemma2", "gemma3", "phi3"}) {
    const auto with = [&](const char* key, GgufValue value) {
      MadeUpModel made(name);
      made.set("rope.scaling.type", std::string("yarn")).set("rope.scaling.factor", 8.0f);
      made.set("rope.scaling.original_context_length", uint32_t{4096}).set(key, std::move(value));
      return expect_agreement(made, "*=scalar", 1, {}, fmt::format("{}.{}", name, key));
    };
    const std::vector<float> usual = with("rope.scaling.finetuned", true);
    EXPECT_NE(usual, expect_agreement(MadeUpModel(name), "*=scalar", 1, {}, name)) << name;
    EXPECT_NE(usual, with("rope.scaling.type", std::string("linear"))) << name;
    EXPECT_EQ(usual, with("rope.scaling.yarn_log_multiplier", 0.0f)) << name;
    EXPECT_EQ(usual, with("rope.scaling.yarn_beta_fast", 32.0f)) << name;
    EXPECT_NE(usual, with("rope.scaling.factor", 4.0f)) << name;
    EXPECT_NE(usual, with("rope.scaling.original_context_length", uint32_t{512})) << name;
    EXPECT_NE(usual, with("rope.scaling.attn_factor", 1.1f)) << name;
    EXPECT_NE(usual, with("rope.scaling.yarn_attn_factor", 1.0f)) << name;
    EXPECT_NE(usual, with("rope.scaling.yarn_ext_factor", 0.5f)) << name;
    EXPECT_NE(usual, with("rope.scaling.yarn_ext_factor", 0.0f)) << name;
    EXPECT_NE(usual, with("rope.scaling.yarn_beta_fast", 4.0f)) << name;
    EXPECT_NE(usual, with("rope.scaling.yarn_beta_slow", 0.25f)) << name;
    EXPECT_NE(usual, with("rope.scaling.yarn_log_multiplier", 1.0f)) << name;
  }
}

TEST(ArchitecturesRope, LongContextsTakeTheLongFactors) {
  for (const char* name : {"phi3", "llama"}) {
    MadeUpModel made(name);
    const std::vector<float> plain = expect_agreement(made, "*=scalar", 1, {}, name);
    made.set("rope.scaling.type", std::string("longrope")).set("rope.scaling.original_context_length", uint32_t{32});
    EXPECT_NE(made.refusal().find("rope_factors_long.weight"), std::string::npos) << made.refusal();
    made.add("rope_factors_long.weight", {16}, 4, 0.5f);
    EXPECT_NE(made.refusal().find("rope_factors_short.weight"), std::string::npos) << made.refusal();
    made.add("rope_factors_short.weight", {16}, 1.5f, 0.1f);
    const std::vector<float> of_long = expect_agreement(made, "*=scalar", 1, {33, std::nullopt}, name);
    const std::vector<float> of_short = expect_agreement(made, "*=scalar", 1, {32, std::nullopt}, name);
    EXPECT_NE(plain, of_long);
    EXPECT_NE(plain, of_short);
    EXPECT_NE(of_long, of_short);
    made.set("rope.scaling.attn_factor", 1.2f);
    EXPECT_NE(of_long, expect_agreement(made, "*=scalar", 1, {33, std::nullopt}, name));
    made.set("rope.scaling.factor", 4.0f);
    EXPECT_NE(made.refusal().find("rope.scaling.factor is 4"), std::string::npos) << made.refusal();
    made.set("rope.scaling.factor", 1.0f).add("rope_freqs.weight", {16}, 4, 0.5f);
    EXPECT_NE(made.refusal().find("'rope_factors_long.weight' belongs to no"), std::string::npos) << made.refusal();
    made.remove("rope_freqs.weight").remove("rope_factors_short.weight").add("rope_factors_short.weight", {15}, 1, 0);
    EXPECT_NE(made.refusal().find("'rope_factors_short.weight' is no vector of 16"), std::string::npos)
        << made.refusal();
  }
}

// Without the key there is no window, and no second base.
TEST(ArchitecturesRope, WindowsOfGemma3AreTheFilesOwn) {
  MadeUpModel made("gemma3");
  made.set("attention.sliding_window", uint32_t{0});
  const std::vector<float> none = expect_agreement(made, "*=scalar", 1, {}, "none");
  made.set("rope.freq_base_swa", 500.0f);
  EXPECT_EQ(none, expect_agreement(made, "*=scalar", 1, {}, "none with a base"));
  made.set("attention.sliding_window", uint32_t{5}).set("attention.sliding_window_pattern", uint32_t{1});
  EXPECT_EQ(none, expect_agreement(made, "*=scalar", 1, {}, "all see all"));
  // A window of the whole context hides nothing, but heads turn by the other base.
  made.set("attention.sliding_window", uint32_t{64}).set("attention.sliding_window_pattern", uint32_t{6});
  EXPECT_NE(none, expect_agreement(made, "*=scalar", 1, {}, "larger"));
}

TEST(ArchitecturesRope, FrequenciesThatNoPositionCanTurnByAreRefused) {
  const auto expect_refusal = [](const MadeUpModel& made) {
    const std::string message = made.refusal();
    expect_clear(message, "model.gguf: ");
    EXPECT_NE(message.find("rope.freq_base, its scaling"), std::string::npos) << message;
  };
  expect_refusal(MadeUpModel("llama").set("rope.scaling.factor", 1e-30f));
  expect_refusal(MadeUpModel("llama").set("rope.scaling.attn_factor", 0.0f));
  expect_refusal(MadeUpModel("llama").set("rope.scaling.attn_factor", 1e30f));
  expect_refusal(MadeUpModel("llama").add("rope_freqs.weight", {16}, 1e-30f, 0));
  MadeUpModel yarn("llama");
  yarn.set("rope.scaling.type", std::string("yarn")).set("rope.scaling.factor", 8.0f);
  expect_refusal(yarn.set("rope.scaling.yarn_ext_factor", 1e30f));
  yarn.set("rope.scaling.yarn_ext_factor", 1.0f);
  // Numbers that are no model's, and give no NaN either.
  for (const float beta : {0.0f, 1e38f}) {
    yarn.set("rope.scaling.yarn_beta_fast", beta).set("rope.scaling.yarn_beta_slow", beta);
    EXPECT_EQ(yarn.refusal(), "");
    EXPECT_EQ(yarn.set("rope.freq_base", 1.0f).refusal(), "");
  }
}

}  // namespace
}  // namespace assay
