// Models of every architecture beside the reference. A key that changes the result is heeded by both, or refused by its name.
#include <cmath>

#include "harness/cli/made_up_model.h"

namespace assay {
namespace {

TEST(Architectures, AgreeWithTheReference) {
  for (const Architecture& a : architectures()) {
    for (const unsigned seed : {1u, 2u}) {
      const MadeUpModel made(a.name, seed);
      for (const char* force : {"*=scalar", ""}) {
        expect_agreement(made, force, seed, {}, fmt::format("{} {} '{}'", a.name, seed, force));
      }
    }
    if (!a.gemma || a.gemma->softcap == 0) {  // a cache in F32 has no soft caps
      MadeUpModel made(a.name);
      if (a.windows) {
        made.set("attention.sliding_window", uint32_t{20});  // nor windows that hide something
      }
      const CacheType other = a.turn == Turn::none ? CacheType::f16 : CacheType::f32;
      expect_agreement(made, "", 1, {.n_ctx = 20, .cache = other}, fmt::format("{} with another cache", a.name));
    }
  }
}

TEST(Architectures, AgreeWithTheReferenceInQuantizedFormats) {
  for (const Architecture& a : architectures()) {
    for (const TensorTypeInfo& type : tensor_types()) {
      const std::string_view name = type.name;
      if (name == "Q8_0" || name == "Q4_0") {
        expect_agreement(MadeUpModel(a.name, 3, type.format), "", 1, {}, fmt::format("{} in {}", a.name, name));
      }
    }
  }
}

TEST(Architectures, GiveTheSameWithAnyNumberOfThreads) {
  for (const Architecture& a : architectures()) {
    const MadeUpModel made(a.name);
    const std::vector<float> alone = expect_agreement(made, "", 1, {}, a.name);
    EXPECT_EQ(alone, expect_agreement(made, "", 2, {}, a.name)) << a.name;
  }
}

// The reference knows no such cache: an element is off by up to 1/254 of the largest of its block.
TEST(Architectures, KeysAndValuesInQ8AreNearThoseInF16) {
  for (const char* name : {"llama", "gemma2", "gemma3", "phi3"}) {
    const GgufFile file = MadeUpModel(name).file();
    std::vector<std::vector<float>> logits;
    for (const CacheType cache : {CacheType::f16, CacheType::q8_0}) {
      Dispatch dispatch(detect_cpu(), Dispatch::Options());
      Model model(file, dispatch, 1, {std::nullopt, cache});
      const auto last = model.eval(kMadeUpPrompt);
      logits.emplace_back(last.begin(), last.end());
    }
    double off = 0;
    double all = 0;
    for (size_t i = 0; i < logits[0].size(); ++i) {
      off += std::pow(static_cast<double>(logits[0][i] - logits[1][i]), 2);
      all += std::pow(static_cast<double>(logits[0][i]), 2);
    }
    EXPECT_GT(off, 0) << name;
    EXPECT_LT(std::sqrt(off / all), 0.05) << name;
  }
}

TEST(Architectures, HeedTheKeys) {
  const std::pair<const char*, std::pair<const char*, GgufValue>> all[] = {
      {"gpt2", {"attention.layer_norm_epsilon", 0.5f}},
      {"gptneox", {"attention.layer_norm_epsilon", 0.5f}},
      {"gptneox", {"use_parallel_residual", true}},
      {"gptneox", {"rope.dimension_count", uint32_t{6}}},
      {"gptneox", {"rope.freq_base", 500.0f}},
      {"llama", {"attention.layer_norm_rms_epsilon", 0.5f}},
      {"llama", {"rope.dimension_count", uint32_t{8}}},
      {"llama", {"rope.freq_base", 500.0f}},
      {"llama", {"rope.scaling.factor", 4.0f}},
      {"llama", {"rope.scale_linear", 4.0f}},
      {"llama", {"attention.scale", 0.6f}},
      {"qwen2", {"rope.freq_base", 1e6f}},
      {"qwen3", {"rope.freq_base", 1e6f}},
      {"bitnet", {"rope.freq_base", 5e5f}},
      {"bitnet-b1.58", {"rope.freq_base", 5e5f}},
      {"gemma2", {"attention.sliding_window", uint32_t{5}}},
      {"gemma2", {"attn_logit_softcapping", 1.0f}},
      {"gemma2", {"final_logit_softcapping", 3.0f}},
      {"gemma2", {"rope.freq_base_swa", 500.0f}},
      {"gemma3", {"attention.sliding_window", uint32_t{3}}},
      {"gemma3", {"attention.sliding_window_pattern", uint32_t{2}}},
      {"gemma3", {"rope.freq_base", 500.0f}},
      {"gemma3", {"rope.freq_base_swa", 500.0f}},
      {"gemma3", {"rope.scaling.factor", 8.0f}},
      {"gemma3", {"attention.scale", 0.6f}},
      {"gemma3", {"attn_logit_softcapping", 1.0f}},
      {"gemma3", {"final_logit_softcapping", 3.0f}},
      {"phi3", {"attention.sliding_window", uint32_t{5}}},
      {"phi3", {"rope.dimension_count", uint32_t{24}}},
      {"phi3", {"rope.freq_base", 500.0f}},
      {"phi3", {"rope.scaling.attn_factor", 1.2f}},
  };
  for (const auto& [architecture, entry] : all) {
    const auto& [key, value] = entry;
    MadeUpModel made(architecture);
    const std::vector<float> before = expect_agreement(made, "*=scalar", 1, {}, architecture);
    made.set(key, value);
    const std::string what = fmt::format("{}.{}", architecture, key);
    const std::vector<float> after = expect_agreement(made, "*=scalar", 1, {}, what);
    EXPECT_NE(before, after) << what;
  }
}

TEST(Architectures, FusedMatricesOfAnotherSizeAreRefused) {
  for (const auto& [name, rows] : {std::pair{"attn_qkv", 8 * 32}, std::pair{"ffn_up", 2 * 80}}) {
    const std::string tensor = fmt::format("blk.1.{}.weight", name);
    for (const int other : {rows - 1, rows + 1, rows / 2}) {
      MadeUpModel made("phi3");
      made.remove(tensor).add(tensor, {48, static_cast<uint64_t>(other)}, 0, 0.1f);
      const std::string message = made.refusal();
      expect_clear(message, "model.gguf: ");
      EXPECT_NE(message.find(fmt::format("tensor '{}' has shape [48, {}], expected [48, {}]", tensor, other, rows)),
                std::string::npos)
          << message;
    }
  }
  EXPECT_NE(MadeUpModel("phi3").add("blk.0.ffn_gate.weight", {48, 80}, 0, 1).refusal().find("belongs to no phi3"),
            std::string::npos);
}

TEST(Architectures, RefuseWhatTheyDoNotHave) {
  const auto expect_refusal = [](const char* architecture, const char* key, GgufValue value) {
    const std::string message = MadeUpModel(architecture).set(key, std::move(value)).refusal();
    expect_clear(message, "model.gguf: ");
    EXPECT_NE(message.find(fmt::format("{}.{}", architecture, key)), std::string::npos) << message;
  };
  expect_refusal("llama", "expert_count", uint32_t{8});
  expect_refusal("llama", "rope.scaling.type", std::string("dynamic"));
  expect_refusal("llama", "rope.scaling.yarn_ext_factor", 1.0f);  // of no YaRN
  expect_refusal("llama", "rope.scaling.alpha", 2.0f);
  expect_refusal("llama", "rope.freq_base_swa", 1e4f);
  expect_refusal("gemma3", "rope.freq_base_swa", 0.5f);
  expect_refusal("gemma3", "attention.sliding_window_pattern", GgufArray(std::vector<bool>{true, false}));
  expect_refusal("gemma3", "attention.sliding_window_pattern", uint32_t{0});
  expect_refusal("gemma3", "attention.key_length_swa", uint32_t{16});
  expect_refusal("phi3", "attention.sliding_window_pattern", uint32_t{2});
  expect_refusal("phi3", "expert_count", uint32_t{16});
  expect_refusal("llama", "attention.clamp_kqv", 8.0f);
  expect_refusal("llama", "attention.value_length", uint32_t{8});
  expect_refusal("llama", "attention.causal", false);
  expect_refusal("llama", "attention.head_count_kv", uint32_t{3});
  expect_refusal("llama", "attention.sliding_window", uint32_t{8});
  expect_refusal("llama", "use_parallel_residual", true);
  expect_refusal("llama", "logit_scale", 2.0f);
  expect_refusal("llama", "rope.dimension_count", uint32_t{7});
  expect_refusal("llama", "rope.dimension_count", uint32_t{34});
  expect_refusal("llama", "rope.freq_base", 0.0f);
  expect_refusal("llama", "rope.freq_base", -1.0f);
  expect_refusal("llama", "block_count", uint32_t{0});
  expect_refusal("llama", "feed_forward_length", GgufArray(std::vector<int32_t>{80, 80, 64}));
  expect_refusal("gptneox", "attention.key_length", uint32_t{16});
  EXPECT_EQ(MadeUpModel("llama").set("feed_forward_length", GgufArray(std::vector<int32_t>{80, 80, 80})).refusal(), "");
  EXPECT_EQ(MadeUpModel("llama").set("attention.sliding_window", uint32_t{64}).refusal(), "");
  EXPECT_NE(MadeUpModel("gptneox").remove("output.weight").refusal(), "");
  EXPECT_EQ(MadeUpModel("qwen2").add("output.weight", {48, MadeUpModel::kVocabulary}, 0, 1).refusal(), "");
  EXPECT_NE(MadeUpModel("llama").refusal({65, std::nullopt}).find("trained for 64"), std::string::npos);
  EXPECT_NE(MadeUpModel("gemma2").refusal({std::nullopt, CacheType::f32}).find("take f16"), std::string::npos);
  EXPECT_NE(MadeUpModel("gemma3").refusal({std::nullopt, CacheType::f32}).find("take f16"), std::string::npos);
  EXPECT_NE(MadeUpModel("gptneox").refusal({std::nullopt, CacheType::q8_0}).find("whole blocks of 32"),
            std::string::npos);
  EXPECT_NE(MadeUpModel("llama").add("blk.0.attn_q_norm.weight", {32}, 1, 0).refusal().find("belongs to no llama"),
            std::string::npos);
}

}  // namespace
}  // namespace assay
