// What a model file says beside its weights is heeded or refused: tokens that are added, tokens that there are none of, rows that
// pad the vocabulary, parts of a model, versions, other graphs.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

#include "harness/runtime/rng.h"
#include "harness/runtime/testing.h"
#include "runner/gguf_raw.h"
#include "runner/gguf_writer.h"
#include "runner/model.h"
#include "runner/tokenizer.h"

namespace assay {
namespace {

constexpr uint32_t kEmbd = 32, kContext = 32, kFf = 64;

const std::map<std::string, std::string> kScalar = {{"*", "scalar"}};

/// A GPT-2 of one block with random weights: token b is byte b, then "he", and last the control token that ends a text.
class SmallModel {
 public:
  static constexpr int32_t kHe = 256, kEnd = 257;

  SmallModel() {
    for (int b = 0; b < 256; ++b) {
      add_token(gpt2_spelling(b), 1);
    }
    add_token("he", 1);
    add_token("<|endoftext|>", 3);
    set("general.architecture", std::string("gpt2"));
    set("gpt2.block_count", uint32_t{1});
    set("gpt2.context_length", kContext);
    set("gpt2.embedding_length", kEmbd);
    set("gpt2.feed_forward_length", kFf);
    set("gpt2.attention.head_count", uint32_t{2});
    set("gpt2.attention.layer_norm_epsilon", 1e-5f);
    set("tokenizer.ggml.model", std::string("gpt2"));
    set("tokenizer.ggml.pre", std::string("gpt-2"));
    set("tokenizer.ggml.merges", GgufArray(std::vector<std::string>{"h e"}));
    for (const char* end : {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id"}) {
      set(end, static_cast<uint32_t>(kEnd));
    }
    add("position_embd.weight", {kEmbd, kContext}, 1);
    for (const std::string norm : {"output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"}) {
      add(norm + ".weight", {kEmbd}, 1);
      add(norm + ".bias", {kEmbd}, 1);
    }
    add_linear("attn_qkv", kEmbd, 3 * kEmbd);
    add_linear("attn_output", kEmbd, kEmbd);
    add_linear("ffn_up", kEmbd, kFf);
    add_linear("ffn_down", kFf, kEmbd);
  }

  SmallModel& set(const std::string& key, GgufValue value) {
    remove(key);
    metadata_.push_back({key, std::move(value)});
    return *this;
  }
  SmallModel& remove(const std::string& key) {
    std::erase_if(metadata_, [&](const GgufKeyValue& entry) { return entry.key == key; });
    return *this;
  }
  SmallModel& add_token(const std::string& token, int32_t type) {
    tokens_.push_back(token);
    types_.push_back(type);
    return *this;
  }
  /// Rows of the embedding behind those of the tokens, of the other sign in turn, so that some have the largest logit.
  SmallModel& pad(uint64_t rows) {
    padding_ = rows;
    return *this;
  }
  SmallModel& drop_row() {
    dropped_ = 1;
    return *this;
  }
  SmallModel& add(const std::string& name, const std::vector<uint64_t>& ne, float scale) {
    uint64_t n = 1;
    for (const uint64_t size : ne) {
      n *= size;
    }
    std::vector<float> values(n);
    for (float& value : values) {
      value = scale * static_cast<float>(static_cast<double>(rng_.next() >> 11) * 0x1p-52 - 1);
    }
    infos_.push_back({name, TensorType::f32, ne});
    data_.push_back(std::move(values));
    return *this;
  }

  std::string write(uint32_t version = kGgufVersion) const {
    const std::string path = folder_.path("model.gguf");
    auto metadata = metadata_;
    metadata.push_back({"tokenizer.ggml.tokens", GgufArray(tokens_)});
    metadata.push_back({"tokenizer.ggml.token_type", GgufArray(types_)});
    auto infos = infos_;
    auto data = data_;
    Rng rng(7);
    const uint64_t rows = tokens_.size() - dropped_ + padding_;
    std::vector<float> embedding(rows * kEmbd);
    for (uint64_t row = 0; row < rows; ++row) {
      const bool padding = row >= tokens_.size();
      for (uint64_t i = 0; i < kEmbd; ++i) {
        embedding[row * kEmbd + i] = padding ? (row % 2 == 0 ? 9.f : -9.f)
                                             : static_cast<float>(static_cast<double>(rng.next() >> 11) * 0x1p-52 - 1);
      }
    }
    infos.push_back({"token_embd.weight", TensorType::f32, {kEmbd, rows}});
    data.push_back(std::move(embedding));
    std::vector<std::span<const std::byte>> spans;
    for (const auto& values : data) {
      spans.push_back(std::as_bytes(std::span(values)));
    }
    write_gguf(path, metadata, infos, spans);
    std::string bytes = read_all(path);
    std::memcpy(bytes.data() + 4, &version, sizeof version);
    write_all(path, bytes);
    return path;
  }

  /// What `assay run` says of it before it uses a weight. "" if it is taken.
  std::string refusal(uint32_t version = kGgufVersion) const {
    const std::string path = write(version);
    return input_error([&] {
      const GgufFile file = GgufFile::open(path);
      const Tokenizer tokenizer(file);
      Dispatch dispatch(detect_cpu(), kScalar);
      Model(file, dispatch, 1);
    });
  }

  std::vector<int32_t> prompt(const std::string& text) const {
    return Tokenizer(GgufFile::open(write())).encode_prompt(text);
  }

 private:
  void add_linear(const std::string& name, uint64_t cols, uint64_t rows) {
    add("blk.0." + name + ".weight", {cols, rows}, 0.3f);
    add("blk.0." + name + ".bias", {rows}, 0.1f);
  }

  TemporaryFolder folder_;
  Rng rng_{3};
  std::vector<GgufKeyValue> metadata_;
  std::vector<std::string> tokens_;
  std::vector<int32_t> types_;
  std::vector<GgufTensorInfo> infos_;
  std::vector<std::vector<float>> data_;
  uint64_t padding_ = 0, dropped_ = 0;
};

void expect_says(const std::string& message, const std::string& part) {
  expect_clear(message, "model.gguf: ");
  EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_NE(message.find_first_of(";:", message.find(part)), std::string::npos) << "no remedy: " << message;
}

TEST(ModelFile, TheModelItselfIsTaken) {
  EXPECT_EQ(SmallModel().refusal(), "");
  EXPECT_EQ(SmallModel().prompt("hea"), (std::vector<int32_t>{SmallModel::kHe, 'a'}));
}

TEST(ModelFile, TokensAreAddedWhereTheFileSaysSo) {
  const std::vector<int32_t> both = {SmallModel::kEnd, SmallModel::kHe, 'a', SmallModel::kEnd};
  SmallModel model;
  model.set("tokenizer.ggml.add_bos_token", true);
  EXPECT_EQ(model.prompt("hea"), std::vector<int32_t>(both.begin(), both.end() - 1));
  model.set("tokenizer.ggml.add_eos_token", true);
  EXPECT_EQ(model.prompt("hea"), both);
  model.set("tokenizer.ggml.add_bos_token", false);
  EXPECT_EQ(model.prompt("hea"), std::vector<int32_t>(both.begin() + 1, both.end()));
  model.set("tokenizer.ggml.add_bos_token", true).remove("tokenizer.ggml.bos_token_id");
  expect_says(model.refusal(), "add_bos_token is true, but tokenizer.ggml.bos_token_id names no token");
}

TEST(ModelFile, AnIdOfMinusOneIsNoToken) {
  for (const GgufValue& none : {GgufValue(int32_t{-1}), GgufValue(UINT32_MAX)}) {
    SmallModel model;
    model.set("tokenizer.ggml.eos_token_id", none).set("tokenizer.ggml.padding_token_id", none);
    EXPECT_EQ(model.refusal(), "");
    EXPECT_EQ(Tokenizer(GgufFile::open(model.write())).eos(), std::nullopt);
    model.set("tokenizer.ggml.add_eos_token", true);
    expect_says(model.refusal(), "tokenizer.ggml.eos_token_id names no token");
  }
}

TEST(ModelFile, IdsOutsideTheVocabularyAreRefused) {
  for (const char* name : {"bos", "eos", "eot", "padding", "unknown"}) {
    const std::string key = fmt::format("tokenizer.ggml.{}_token_id", name);
    for (const uint32_t id : {258u, 1u << 31, UINT32_MAX - 1}) {
      expect_says(SmallModel().set(key, id).refusal(), key);
    }
  }
}

TEST(ModelFile, AnyTokenThatEndsATurnEndsTheAnswer) {
  SmallModel model;
  model.set("tokenizer.ggml.eot_token_id", uint32_t{'x'});
  const Tokenizer tokenizer(GgufFile::open(model.write()));
  EXPECT_TRUE(tokenizer.ends('x'));
  EXPECT_TRUE(tokenizer.ends(SmallModel::kEnd));
  EXPECT_FALSE(tokenizer.ends('y'));
}

TEST(ModelFile, LongerTokensNeedMerges) {
  SmallModel model;
  model.remove("tokenizer.ggml.merges");
  expect_says(model.refusal(), "there are no merges in tokenizer.ggml.merges, but token 256, 'he'");
  model.set("tokenizer.ggml.merges", GgufArray(std::vector<std::string>{}));
  expect_says(model.refusal(), "there are no merges");
}

TEST(ModelFile, EmptyAndUnusedTokensStandForNoText) {
  SmallModel model;
  model.add_token("", 1).add_token("", 1).add_token("not in the alphabet", 5);
  EXPECT_EQ(model.refusal(), "");
  const Tokenizer tokenizer(GgufFile::open(model.write()));
  EXPECT_EQ(tokenizer.decode_piece(258), "");
  EXPECT_EQ(tokenizer.decode_piece(260), "");
  EXPECT_EQ(tokenizer.encode("hea").size(), 2u);
}

TEST(ModelFile, RowsThatPadTheVocabularyAreNoTokens) {
  SmallModel padded;
  const std::string path = padded.pad(6).write();
  const GgufFile file = GgufFile::open(path);
  Dispatch dispatch(detect_cpu(), kScalar);
  Model model(file, dispatch, 1);
  EXPECT_EQ(model.sizes().n_vocab, 258u);
  EXPECT_EQ(model.eval(std::vector<int32_t>{'a', 'b'}).size(), 258u);
  const auto run = run_assay({"run", "-m", path, "-p", "ab", "-n", "8", "--verify", "--temp", "1", "--seed", "3"});
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_NE(run.err.find("agrees in"), std::string::npos) << run.err;
}

TEST(ModelFile, OtherNumbersOfRowsAreRefused) {
  expect_says(SmallModel().drop_row().refusal(), "'token_embd.weight' has 257 rows for the 258 tokens");
  expect_says(SmallModel().add("output.weight", {kEmbd, 200}, 1).refusal(), "'output.weight' has 200 rows");
  EXPECT_EQ(SmallModel().add("output.weight", {kEmbd, 300}, 1).refusal(), "");
  EXPECT_EQ(SmallModel().set("gpt2.vocab_size", uint32_t{258}).refusal(), "");
  EXPECT_EQ(SmallModel().pad(6).set("gpt2.vocab_size", uint32_t{264}).refusal(), "");
  expect_says(SmallModel().set("gpt2.vocab_size", uint32_t{50'257}).refusal(), "gpt2.vocab_size is 50257");
}

/// The model in parts: its tensors in turn.
std::vector<std::string> write_parts(const GgufFile& whole, const TemporaryFolder& folder, size_t parts) {
  std::vector<std::string> paths;
  for (size_t part = 0; part < parts; ++part) {
    std::vector<GgufKeyValue> metadata = part == 0 ? whole.metadata() : std::vector<GgufKeyValue>();
    metadata.push_back({"split.no", static_cast<uint16_t>(part)});
    metadata.push_back({"split.count", static_cast<uint16_t>(parts)});
    metadata.push_back({"split.tensors.count", static_cast<int32_t>(whole.tensors().size())});
    std::vector<GgufTensorInfo> infos;
    std::vector<std::span<const std::byte>> data;
    for (size_t i = part; i < whole.tensors().size(); i += parts) {
      const Tensor& t = whole.tensors()[i];
      infos.push_back({t.name, t.type, {t.shape().begin(), t.shape().end()}});
      data.push_back(t.data);
    }
    paths.push_back(folder.path(fmt::format("m-{:05}-of-{:05}.gguf", part + 1, parts)));
    write_gguf(paths.back(), metadata, infos, data);
  }
  return paths;
}

TEST(ModelFile, ASplitModelIsReadFromItsFirstPart) {
  const SmallModel small;
  const std::string path = small.write();
  const GgufFile whole = GgufFile::open(path);
  const TemporaryFolder folder;
  const std::vector<std::string> paths = write_parts(whole, folder, 3);
  std::vector<std::vector<float>> logits;
  for (const std::string& one : {path, paths[0]}) {
    const GgufFile file = GgufFile::open(one);
    EXPECT_EQ(file.tensors().size(), whole.tensors().size());
    Dispatch dispatch(detect_cpu(), kScalar);
    Model model(file, dispatch, 1);
    const auto last = model.eval(std::vector<int32_t>{'a', 'b'});
    logits.emplace_back(last.begin(), last.end());
  }
  EXPECT_EQ(logits[0], logits[1]);
  const std::string joined = folder.path("joined.gguf");
  EXPECT_EQ(run_assay({"quantize", paths[0], joined, "--type", "f16"}).status, 0);
  EXPECT_EQ(GgufFile::open(joined).tensors().size(), whole.tensors().size()) << "one file again";

  const auto refusal = [](const std::string& of) { return input_error([&] { GgufFile::open(of); }); };
  expect_clear(refusal(paths[1]), "is part 2 of 3 of a split model, by its split.no and split.count; give the first");
  const std::string second = read_all(paths[1]);
  std::filesystem::copy_file(paths[2], paths[1], std::filesystem::copy_options::overwrite_existing);
  expect_clear(refusal(paths[0]), "by its name it is part 2 of 3");
  std::filesystem::remove(paths[1]);
  expect_clear(refusal(paths[0]), "m-00002-of-00003.gguf: cannot open");
  write_all(paths[1], second.substr(0, second.size() / 2));
  EXPECT_NE(refusal(paths[0]), "");
  write_all(paths[1], second);
  EXPECT_EQ(refusal(paths[0]), "");
}

TEST(ModelFile, PartsOfAModelAreRefused) {
  SmallModel model;
  model.set("split.no", uint16_t{0}).set("split.count", uint16_t{2});
  expect_says(model.refusal(), "is part 1 of 2 of a split model");
  model.set("split.count", uint16_t{1}).set("split.tensors.count", int32_t{16});
  EXPECT_EQ(model.refusal(), "");
  model.set("split.tensors.count", int32_t{17});
  expect_says(model.refusal(), "holds 16 tensors of a model that has 17");
}

TEST(ModelFile, OtherGraphsAreRefused) {
  expect_says(SmallModel().set("gpt2.attention.head_count_kv", uint32_t{1}).refusal(), "head_count_kv is 1");
  EXPECT_EQ(SmallModel().set("gpt2.attention.head_count_kv", uint32_t{2}).refusal(), "");
  expect_says(SmallModel().set("gpt2.expert_count", uint32_t{8}).refusal(), "expert_count is 8");
  expect_says(SmallModel().set("gpt2.use_parallel_residual", true).refusal(), "use_parallel_residual is true");
  expect_says(SmallModel().add("blk.0.attn_q_norm.weight", {kEmbd}, 1).refusal(), "tensor 'blk.0.attn_q_norm.weight'");
  expect_says(SmallModel().add("blk.1.ffn_up.bias", {kFf}, 1).refusal(), "belongs to no gpt2 of 1 blocks");
}

TEST(ModelFile, VersionTwoIsReadAndOthersAreNamed) {
  EXPECT_EQ(SmallModel().refusal(2), "");
  for (const uint32_t version : {0u, 1u, 4u}) {
    const std::string message = SmallModel().refusal(version);
    expect_says(message, fmt::format("version: {} is not 2 or 3", version));
    EXPECT_EQ(message.find("big-endian"), std::string::npos) << message;
  }
  expect_says(SmallModel().refusal(0x03000000), "the file is big-endian");
}

}  // namespace
}  // namespace assay
