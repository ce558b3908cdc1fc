// A model of any architecture, made up and written as a file, and the runner beside the reference, which reads the file's keys itself.
#pragma once
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "harness/cli/random_block.h"
#include "harness/cli/verify.h"
#include "harness/runtime/rng.h"
#include "harness/runtime/testing.h"
#include "runner/gguf_raw.h"
#include "runner/gguf_writer.h"
#include "runner/model.h"

namespace assay {

/// Of three blocks, or so many that all kinds of windows are among them, with random weights.
class MadeUpModel {
 public:
  /// `format`: of most matrices; else F32, F16 and BF16. `parts_row`: heads are as wide as n_embd / n_head.
  explicit MadeUpModel(const std::string& architecture, uint64_t seed = 1, const weight_format* format = nullptr,
                       bool parts_row = false)
      : name_(architecture), rng_(mix_seed(seed, 99)) {
    const Architecture& a = find_architecture(architecture);
    const size_t layers = a.windows ? std::max<size_t>(3, a.windows->period + 1) : 3;
    const bool is_old =
        a.fused_qkv && !a.root_mean_square;  // GPT-2 and GPT-NeoX say nothing of heads but how many they are
    BlockSizes b;
    b.architecture = &a;
    b.n_embd = format != nullptr ? 64 : 48;
    b.n_head = 4;
    b.n_head_kv = is_old ? 4 : 2;
    b.head_size = is_old || parts_row ? b.n_embd / 4 : 32;
    b.rotated = b.head_size;
    b.n_ff = format != nullptr ? 96 : 80;
    metadata_.push_back({"general.architecture", architecture});
    const std::pair<const char*, size_t> sizes[] = {{"context_length", kContext},
                                                    {"embedding_length", b.n_embd},
                                                    {"block_count", layers},
                                                    {"feed_forward_length", b.n_ff},
                                                    {"attention.head_count", b.n_head}};
    for (const auto& [key, value] : sizes) {
      set(key, static_cast<uint32_t>(value));
    }
    set(a.root_mean_square ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon", 1e-5f);
    if (!is_old) {
      set("attention.head_count_kv", static_cast<uint32_t>(b.n_head_kv));
      set("attention.key_length", static_cast<uint32_t>(b.head_size));
      set("attention.value_length", static_cast<uint32_t>(b.head_size));
    }
    if (a.windows && a.windows->rope_base != 0) {  // what all such models say, and a file may not
      set("attention.sliding_window", uint32_t{5});
      set("rope.freq_base", 1e6f);
    }
    for (size_t i = 0; i < layers; ++i) {
      const RandomBlock block(rng_, b, format);
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

  /// What llama.cpp wants: vectors in F32, no bias that its architecture has not, and a vocabulary: single bytes, and one pair of them.
  /// `begins_texts`: a token of its own stands before a text.
  MadeUpModel& fit_for_llama_cpp(bool begins_texts = false) {
    const bool has_biases = name_ == "gpt2" || name_ == "gptneox";
    std::erase_if(tensors_, [&](const auto& tensor) {
      const std::string& of = tensor.first.name;
      const bool in_qwen2 = of.ends_with("attn_q.bias") || of.ends_with("attn_k.bias") || of.ends_with("attn_v.bias");
      return of.ends_with(".bias") && !has_biases && !(name_ == "qwen2" && in_qwen2);
    });
    if (name_ == "gptneox") {
      set("use_parallel_residual", true);
    }
    for (auto& [info, bytes] : tensors_) {
      if (info.ne.size() == 1 && info.type != TensorType::f32) {
        const auto read = [&, &data = bytes](size_t i) {
          return read_u16(reinterpret_cast<const uint8_t*>(data.data()) + 2 * i);
        };
        std::vector<float> wide(info.ne[0]);
        for (size_t i = 0; i < wide.size(); ++i) {
          wide[i] = info.type == TensorType::f16 ? half_to_float(read(i)) : float_of_bits(uint32_t{read(i)} << 16);
        }
        const auto all = std::as_bytes(std::span(wide));
        info.type = TensorType::f32;
        bytes.assign(all.begin(), all.end());
      }
    }
    std::vector<std::string> tokens;
    for (int byte = 0; byte < 256; ++byte) {
      tokens.push_back(gpt2_spelling(byte));
    }
    tokens.emplace_back("01");
    tokens.emplace_back("<|endoftext|>");
    std::vector<int32_t> types(kVocabulary, 1);
    types.back() = 3;
    const std::vector<GgufKeyValue> keys = {{"tokenizer.ggml.model", std::string("gpt2")},
                                            {"tokenizer.ggml.pre", std::string("gpt-2")},
                                            {"tokenizer.ggml.tokens", GgufArray(std::move(tokens))},
                                            {"tokenizer.ggml.token_type", GgufArray(std::move(types))},
                                            {"tokenizer.ggml.merges", GgufArray(std::vector<std::string>{"0 1"})},
                                            {"tokenizer.ggml.bos_token_id", static_cast<uint32_t>(kVocabulary - 1)},
                                            {"tokenizer.ggml.eos_token_id", static_cast<uint32_t>(kVocabulary - 1)},
                                            {"tokenizer.ggml.add_bos_token", begins_texts}};
    metadata_.insert(metadata_.end(), keys.begin(), keys.end());
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

  static constexpr size_t kContext = 64, kVocabulary = 258;

 private:
  std::string name_;
  Rng rng_;
  TemporaryFolder folder_;
  std::vector<GgufKeyValue> metadata_;
  std::vector<std::pair<GgufTensorInfo, std::vector<std::byte>>> tensors_;
};

inline const std::vector<int32_t> kMadeUpPrompt = {3, 1, 4, 15, 9, 2, 6, 5, 35, 8, 9, 7};

/// A prompt and some steps after it, beside the reference: the logits of the last step.
inline std::vector<float> expect_agreement(const MadeUpModel& made, const std::string& force, unsigned threads,
                                           const ContextOptions& options, const std::string& what) {
  const GgufFile file = made.file();
  Dispatch::Options dispatch_options;
  dispatch_options.force = force;
  Dispatch dispatch(detect_cpu(), dispatch_options);
  Model model(file, dispatch, threads, options);
  Verification verification(file, model.sizes());
  std::vector<int32_t> tokens = kMadeUpPrompt;
  std::vector<float> last;
  for (int step = 0; step < 5; ++step) {
    const auto logits = model.eval(tokens);
    verification.compare(tokens, logits);
    last.assign(logits.begin(), logits.end());
    tokens = {static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin())};
  }
  EXPECT_LE(verification.worst_over_bound(), 0.5) << what << ": " << verification.summary();
  EXPECT_GT(verification.worst_over_bound(), 1e-7) << what << ": is it the runner's own model?";
  return last;
}

}  // namespace assay
