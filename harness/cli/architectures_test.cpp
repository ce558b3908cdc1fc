// Models of every architecture, made up and written as a file: the runner beside the reference, which reads the file's keys itself. A
// key that changes the result is heeded by both, or refused by its name.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "harness/cli/random_block.h"
#include "harness/cli/verify.h"
#include "harness/runtime/rng.h"
#include "harness/runtime/testing.h"
#include "runner/gguf_writer.h"
#include "runner/model.h"

namespace assay {
namespace {

/// Of three blocks, with random weights.
class MadeUpModel {
 public:
  explicit MadeUpModel(const std::string& architecture, uint64_t seed = 1)
      : name_(architecture), rng_(mix_seed(seed, 99)) {
    const Architecture& a = find_architecture(architecture);
    BlockSizes b;
    b.architecture = &a;
    b.n_embd = 48;
    b.n_head = 4;
    b.n_head_kv = a.fused_qkv ? 4 : 2;
    b.head_size = a.fused_qkv ? 12 : 32;  // no n_embd / n_head
    b.rotated = b.head_size;
    b.n_ff = 80;
    metadata_.push_back({"general.architecture", architecture});
    const std::pair<const char*, size_t> sizes[] = {{"context_length", kContext},
                                                    {"embedding_length", b.n_embd},
                                                    {"block_count", kLayers},
                                                    {"feed_forward_length", b.n_ff},
                                                    {"attention.head_count", b.n_head}};
    for (const auto& [key, value] : sizes) {
      set(key, static_cast<uint32_t>(value));
    }
    set(a.root_mean_square ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", 1e-5f);
    if (!a.fused_qkv) {
      set("attention.head_count_kv", static_cast<uint32_t>(b.n_head_kv));
      set("attention.key_length", static_cast<uint32_t>(b.head_size));
      set("attention.value_length", static_cast<uint32_t>(b.head_size));
    }
    for (size_t i = 0; i < kLayers; ++i) {
      const RandomBlock block(rng_, b);
      for (const auto& [name, tensor] : block.tensors()) {
        tensors_.push_back(
            {{fmt::format("blk.{}.{}", i, name), tensor.type, {tensor.shape().begin(), tensor.shape().end()}},
             {tensor.data.begin(), tensor.data.end()}});
      }
    }
    add("token_embd.weight", {b.n_embd, kVocabulary}, 0, 1);
    add("output_norm.weight", {b.n_embd}, 1, 0.2f);
    if (!a.root_mean_square) {
      add("output_norm.bias", {b.n_embd}, 0, 0.2f);
    }
    if (!a.may_tie_output) {
      add("output.weight", {b.n_embd, kVocabulary}, 0, 0.3f);
    }
    if (a.turn == Turn::none) {
      add("position_embd.weight", {b.n_embd, kContext}, 0, 1);
    }
  }

  /// A key of the architecture.
  MadeUpModel& set(const std::string& key, GgufValue value) {
    const std::string full = name_ + "." + key;
    std::erase_if(metadata_, [&](const GgufKeyValue& entry) { return entry.key == full; });
    metadata_.push_back({full, std::move(value)});
    return *this;
  }
  MadeUpModel& add(const std::string& name, std::vector<uint64_t> ne, float mean, float deviation) {
    std::vector<float> values(ne[0] * (ne.size() > 1 ? ne[1] : 1));
    std::ranges::generate(values, [&] { return mean + deviation * rng_.normal(); });
    const auto bytes = std::as_bytes(std::span(values));
    tensors_.push_back({{name, TensorType::f32, std::move(ne)}, {bytes.begin(), bytes.end()}});
    return *this;
  }
  MadeUpModel& remove(const std::string& name) {
    std::erase_if(tensors_, [&](const auto& tensor) { return tensor.first.name == name; });
    return *this;
  }

  GgufFile file() const {
    std::vector<GgufTensorInfo> infos;
    std::vector<std::span<const std::byte>> data;
    for (const auto& [info, bytes] : tensors_) {
      infos.push_back(info);
      data.emplace_back(bytes);
    }
    const std::string path = folder_.path("model.gguf");
    write_gguf(path, metadata_, infos, data);
    return GgufFile::open(path);
  }

  /// What the runner says of it. "" if it is taken.
  std::string refusal(const ContextOptions& options = {}) const {
    return input_error([&] {
      const GgufFile opened = file();
      Dispatch dispatch(detect_cpu(), std::map<std::string, std::string>{{"*", "scalar"}});
      const Model model(opened, dispatch, 1, options);
    });
  }

  static constexpr size_t kContext = 64, kLayers = 3, kVocabulary = 50;

 private:
  std::string name_;
  Rng rng_;
  TemporaryFolder folder_;
  std::vector<GgufKeyValue> metadata_;
  std::vector<std::pair<GgufTensorInfo, std::vector<std::byte>>> tensors_;
};

const std::vector<int32_t> kPrompt = {3, 1, 4, 15, 9, 2, 6, 5, 35, 8, 9, 7};

/// A prompt and some steps after it, beside the reference: the logits of the last step.
std::vector<float> expect_agreement(const MadeUpModel& made, const std::string& force, unsigned threads,
                                    const ContextOptions& options, const std::string& what) {
  const GgufFile file = made.file();
  Dispatch::Options dispatch_options;
  dispatch_options.force = force;
  Dispatch dispatch(detect_cpu(), dispatch_options);
  Model model(file, dispatch, threads, options);
  Verification verification(file, model.sizes().block.cache == CacheType::f16);
  std::vector<int32_t> tokens = kPrompt;
  std::vector<float> last;
  for (int step = 0; step < 5; ++step) {
    const auto logits = model.eval(tokens);
    verification.compare(tokens, logits);
    last.assign(logits.begin(), logits.end());
    tokens = {static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin())};
  }
  EXPECT_LE(verification.worst_over_bound(), 0.5) << what << ": " << verification.summary();
  EXPECT_GT(verification.worst_over_bound(), 1e-5) << what << ": is it the runner's own model?";
  return last;
}

TEST(Architectures, AgreeWithTheReference) {
  for (const Architecture& a : architectures()) {
    for (const unsigned seed : {1u, 2u}) {
      const MadeUpModel made(a.name, seed);
      for (const char* force : {"*=scalar", ""}) {
        expect_agreement(made, force, seed, {}, fmt::format("{} {} '{}'", a.name, seed, force));
      }
      if (!a.post_norms) {
        const CacheType other = a.turn == Turn::none ? CacheType::f16 : CacheType::f32;
        expect_agreement(made, "", 1, {.n_ctx = 20, .cache = other}, fmt::format("{} with another cache", a.name));
      }
    }
  }
}

// The reference knows no such cache: an element is off by up to 1/254 of the largest of its block.
TEST(Architectures, KeysAndValuesInQ8AreNearThoseInF16) {
  for (const char* name : {"llama", "gemma2"}) {
    const GgufFile file = MadeUpModel(name).file();
    std::vector<std::vector<float>> logits;
    for (const CacheType cache : {CacheType::f16, CacheType::q8_0}) {
      Dispatch dispatch(detect_cpu(), Dispatch::Options());
      Model model(file, dispatch, 1, {std::nullopt, cache});
      const auto last = model.eval(kPrompt);
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

TEST(Architectures, FactorsOfFrequenciesDivide) {
  MadeUpModel made("llama");
  const auto before = expect_agreement(made, "*=scalar", 1, {}, "without");
  made.add("rope_freqs.weight", {16}, 4, 0.5f);
  EXPECT_NE(before, expect_agreement(made, "*=scalar", 1, {}, "with"));
  made.set("rope.scaling.type", std::string("none")).set("rope.scaling.factor", 8.0f).remove("rope_freqs.weight");
  EXPECT_EQ(before, expect_agreement(made, "*=scalar", 1, {}, "a factor of no scaling"));
  made.add("rope_freqs.weight", {7}, 4, 0.5f);
  EXPECT_NE(made.refusal().find("'rope_freqs.weight' is no vector of 16"), std::string::npos) << made.refusal();
}

TEST(Architectures, RefuseWhatTheyDoNotHave) {
  const auto expect_refusal = [](const char* architecture, const char* key, GgufValue value) {
    const std::string message = MadeUpModel(architecture).set(key, std::move(value)).refusal();
    expect_clear(message, "model.gguf: ");
    EXPECT_NE(message.find(fmt::format("{}.{}", architecture, key)), std::string::npos) << message;
  };
  expect_refusal("llama", "expert_count", uint32_t{8});
  expect_refusal("llama", "rope.scaling.type", std::string("yarn"));
  expect_refusal("llama", "rope.scaling.attn_factor", 1.2f);
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
  EXPECT_NE(MadeUpModel("gptneox").refusal({std::nullopt, CacheType::q8_0}).find("whole blocks of 32"),
            std::string::npos);
  EXPECT_NE(MadeUpModel("llama").add("blk.0.attn_q_norm.weight", {32}, 1, 0).refusal().find("belongs to no llama"),
            std::string::npos);
}

}  // namespace
}  // namespace assay
