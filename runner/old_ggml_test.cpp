// LLaMAs of 2023: every container and arrangement of one made-up model has the weights and the vocabulary of that model.
#include "runner/old_ggml.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "harness/runtime/dispatch.h"
#include "harness/runtime/testing.h"
#include "runner/model.h"
#include "runner/old_ggml_raw.h"
#include "runner/old_ggml_types.h"
#include "runner/tokenizer.h"
#include "runner/weights.h"

namespace assay {
namespace {

OldLlama usual_llama() { return {128, 4, 2, 128, 384}; }

std::string text_of_old(const OldBytes& file) {
  return {reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()};
}

/// Writes the model, in parts where there are several; returns the path of the first.
std::string write_old(const TemporaryFolder& folder, const OldLlama& llama, const OldEra& era, uint64_t parts = 1) {
  const std::string path = folder.path("model.bin");
  for (uint64_t number = 0; number < parts; ++number) {
    write_all(number == 0 ? path : old_part_path(path, number), text_of_old(llama.file(era, parts, number)));
  }
  return path;
}

void expect_weights(const OldLlama& llama, const GgufFile& file, const std::string& what) {
  Dispatch dispatch(detect_cpu(), std::map<std::string, std::string>{{"*", "scalar"}});
  ASSERT_EQ(file.tensors().size(), llama.matrices.size() + llama.vectors.size()) << what;
  for (const auto& [name, m] : llama.matrices) {
    const Tensor& tensor = file.tensor(OldLlama::gguf_name(name));
    ASSERT_EQ(tensor.ne[0], m.cols) << what << name;
    ASSERT_EQ(tensor.ne[1], m.rows) << what << name;
    const std::vector<float> values = tensor_floats(tensor, dispatch);
    for (uint64_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(values[i], m.value(i / m.cols, i % m.cols)) << what << ": " << name << " at " << i;
    }
  }
  for (const auto& [name, wanted] : llama.vectors) {
    EXPECT_EQ(tensor_floats(file.tensor(OldLlama::gguf_name(name)), dispatch), wanted) << what << ": " << name;
  }
}

TEST(OldGgml, EveryArrangementHasTheWeightsOfTheModel) {
  const OldLlama llama = usual_llama();
  for (const OldEra& era : old_eras()) {
    const TemporaryFolder folder;
    expect_weights(llama, GgufFile::open(write_old(folder, llama, era)), era.name);
  }
}

TEST(OldGgml, PartsAreJoinedByRowsAndByColumns) {
  const OldLlama llama = usual_llama();
  for (const OldEra& era : old_eras()) {
    if (era.name.starts_with("ggjt")) {
      continue;  // those are never in parts
    }
    for (const uint64_t parts : {uint64_t{2}, uint64_t{4}}) {
      const TemporaryFolder folder;
      expect_weights(llama, GgufFile::open(write_old(folder, llama, era, parts)), era.name);
    }
  }
}

// K-quants too, which came at the end of that time.
TEST(OldGgml, BlocksThatStayHaveTheSizesOfTheirType) {
  size_t known = 0;
  for (const auto& [container, version] :
       {std::pair(OldContainer::ggml, 0u), std::pair(OldContainer::ggmf, 1u), std::pair(OldContainer::ggjt, 1u),
        std::pair(OldContainer::ggjt, 2u), std::pair(OldContainer::ggjt, 3u)}) {
    for (uint32_t number = 0; number < 40; ++number) {
      const OldType* type = find_old_type(container, version, number);
      if (type == nullptr) {
        continue;
      }
      ++known;
      const TensorTypeInfo& info = tensor_type_info(type->becomes);
      const bool become_floats = number == 4 || number == 5;
      EXPECT_EQ(info.block, become_floats ? 1u : type->elements) << type->name;
      EXPECT_EQ(info.block_bytes, become_floats ? 4u : type->bytes) << type->name;
      EXPECT_EQ(static_cast<uint32_t>(type->becomes) % (1u << 16), become_floats ? 0u : number) << type->name;
    }
  }
  EXPECT_EQ(known, 4u + 4 + 9 + 7 + 12);
}

TEST(OldGgml, KernelsReadWhatTheyCanFromTheFileItself) {
  const std::map<std::string, bool> laid_out = {
      {"ggml q4_0", false},      {"ggml f16", false},       {"ggmf q4_1", false},          {"ggjt v1 type 8", false},
      {"ggjt v2 type 6", false}, {"ggjt v3 type 3", false}, {"ggml q4_1 in planes", true}, {"ggjt v2 type 2", true},
      {"ggjt v1 type 4", true},  {"ggjt v1 type 7", true}};
  size_t tried = 0;
  for (const OldEra& era : old_eras()) {
    if (const auto wanted = laid_out.find(era.name); wanted != laid_out.end()) {
      const TemporaryFolder folder;
      const GgufFile file = GgufFile::open(write_old(folder, usual_llama(), era));
      EXPECT_EQ(file.is_laid_out(file.tensor("blk.0.ffn_up.weight")), wanted->second) << era.name;
      EXPECT_FALSE(file.is_laid_out(file.tensor("output_norm.weight"))) << era.name;
      ++tried;
    }
  }
  EXPECT_EQ(tried, laid_out.size());
}

TEST(OldGgml, ReleasedMemoryThatWasLaidOutKeepsItsWeights) {
  const OldLlama llama = usual_llama();
  const TemporaryFolder folder;
  const auto era = std::ranges::find(old_eras(), "ggjt v2 type 2", &OldEra::name);
  const GgufFile file = GgufFile::open(write_old(folder, llama, *era));
  for (const Tensor& tensor : file.tensors()) {
    file.release(tensor.data);
  }
  expect_weights(llama, file, "released");
}

TEST(OldGgml, SizesAndTokensAreThoseOfTheModel) {
  const OldLlama llama = usual_llama();
  for (const OldEra& era : old_eras()) {
    const TemporaryFolder folder;
    const GgufFile file = GgufFile::open(write_old(folder, llama, era));
    const ModelSizes sizes = ModelSizes::read(file);
    EXPECT_EQ(sizes.n_vocab, llama.tokens.size());
    EXPECT_EQ(sizes.n_ctx_trained, 2048u);
    EXPECT_EQ(sizes.block.n_ff, llama.n_ff);
    EXPECT_EQ(sizes.block.n_head_kv, 4u);
    EXPECT_EQ(sizes.block.eps, era.name.starts_with("ggml") ? 1e-5f : 1e-6f);
    const Tokenizer tokenizer(file);
    // " he" before "llo", as the order of the vocabulary has it; what is no piece is bytes.
    const auto id = [&](const char* text) {
      return static_cast<int32_t>(std::ranges::find(llama.tokens.begin() + 259, llama.tokens.end(), text) -
                                  llama.tokens.begin());
    };
    EXPECT_EQ(tokenizer.encode_prompt("he"), (std::vector<int32_t>{1, id(" he")})) << era.name;
    EXPECT_EQ(tokenizer.encode_prompt("h\n"), (std::vector<int32_t>{1, id(" h"), 3 + '\n'})) << era.name;
    EXPECT_EQ(tokenizer.decode_piece(id(" he")), " he");
    EXPECT_EQ(tokenizer.decode_piece(3 + 0xe2), "\xe2");
    EXPECT_EQ(tokenizer.decode_piece(2), "");
    EXPECT_TRUE(tokenizer.ends(2));
    EXPECT_FALSE(file.notes().empty());
  }
}

TEST(OldGgml, AVocabularyThatIsOneTokenShortOfTheHeader) {
  OldLlama llama = usual_llama();
  const auto& era = old_eras()[2];
  llama.tokens.pop_back();
  OldBytes file = llama.file(era);
  const auto more = static_cast<uint32_t>(llama.tokens.size()) + 1;  // as many as the matrices have rows
  std::memcpy(file.bytes.data() + 4, &more, sizeof more);
  const GgufFile read = GgufFile::parse("the.bin", file.bytes);
  EXPECT_EQ(read.strings("tokenizer.ggml.tokens").size(), llama.tokens.size());
  EXPECT_TRUE(std::ranges::any_of(read.notes(), [](const auto& n) { return n.find("GPT4All") != std::string::npos; }));
}

// As the first converter wrote them: bytes that are no text by themselves are lost.
TEST(OldGgml, BytesOfTheFirstDays) {
  OldLlama llama = usual_llama();
  std::fill(llama.tokens.begin() + 3 + 0x80, llama.tokens.begin() + 259, "\ufffd");
  const OldBytes bytes = llama.file(old_eras()[2]);
  const GgufFile file = GgufFile::parse("the.bin", bytes.bytes);
  const Tokenizer tokenizer(file);
  EXPECT_EQ(tokenizer.encode_prompt("\xc3\xa9"), (std::vector<int32_t>{1, 259, 3 + 0xc3, 3 + 0xa9}));
  EXPECT_EQ(tokenizer.decode_piece(3 + 0xc3), "\xc3");
  EXPECT_TRUE(
      std::ranges::any_of(file.notes(), [](const auto& n) { return n.find("what bytes 128") != std::string::npos; }));
}

TEST(OldGgml, NumbersOfQ4_3AreExactOrNearest) {
  // 65504 * 15 + 2^-24 needs more bits than a float has; the least subnormal times 15 needs four.
  OldLlama llama(32, 1, 1, 32, 96);
  const auto era = *std::ranges::find(old_eras(), "ggjt v1 type 5", &OldEra::name);
  OldBytes file = llama.file(era);
  const std::string name = "tok_embeddings.weight";
  const auto at = std::search(file.bytes.begin(), file.bytes.end(), reinterpret_cast<const std::byte*>(name.data()),
                              reinterpret_cast<const std::byte*>(name.data() + name.size()));
  size_t data = static_cast<size_t>(at - file.bytes.begin()) + name.size();
  data = (data + 31) / 32 * 32;
  const uint8_t blocks[2][12] = {{0xff, 0x7b, 0x01, 0x00, 0xf0, 0x31}, {0x01, 0x80, 0x00, 0x00, 0xf0, 0x31}};
  std::memcpy(file.bytes.data() + data, blocks, sizeof blocks);
  const GgufFile read = GgufFile::parse("the.bin", file.bytes);
  float values[32];
  std::memcpy(values, read.tensor("token_embd.weight").data.data(), sizeof values);
  EXPECT_EQ(values[0], 0x1p-24f);
  EXPECT_EQ(values[1], 65504.f * 15);
  EXPECT_EQ(values[2], 65504.f);
  EXPECT_EQ(values[16], 0.f);
  EXPECT_EQ(values[17], -15 * 0x1p-24f);
  EXPECT_EQ(values[19], -3 * 0x1p-24f);
}

TEST(OldGgml, TypesThatGgufDoesNotHaveAreNotWrittenAsGguf) {
  const TemporaryFolder folder;
  const GgufFile file = GgufFile::open(write_old(folder, usual_llama(), old_eras()[2]));
  const Tensor& tensor = file.tensor("blk.0.attn_q.weight");
  const std::vector<std::span<const std::byte>> data = {tensor.data};
  const std::string message = input_error([&] {
    write_gguf(folder.path("new.gguf"), {}, {{tensor.name, tensor.type, {tensor.ne[0], tensor.ne[1]}}}, data);
  });
  EXPECT_NE(message.find("Q4_0_2023"), std::string::npos) << message;
  EXPECT_NE(message.find("assay convert"), std::string::npos) << message;
  EXPECT_EQ(folder.names(), std::vector<std::string>{"model.bin"});
}

TEST(OldGgml, PartsThatDoNotFitTogetherAreRefused) {
  const OldLlama llama = usual_llama();
  const OldLlama other(128, 4, 2, 128, 384, 2);
  const auto& era = old_eras()[2];
  const TemporaryFolder folder;
  const std::string path = write_old(folder, llama, era, 2);
  const auto refusal = [&] { return input_error([&] { GgufFile::open(path); }); };
  EXPECT_EQ(refusal(), "");
  write_all(path + ".1", text_of_old(other.file(era, 2, 1)));
  EXPECT_NE(refusal().find("each part has all of it"), std::string::npos) << refusal();
  write_all(path + ".1", text_of_old(llama.file(old_eras()[4], 2, 1)));
  EXPECT_NE(refusal().find("another model"), std::string::npos) << refusal();
  write_all(path + ".1", text_of_old(llama.file(era, 1, 0)));
  EXPECT_NE(refusal().find("its type or shape"), std::string::npos) << refusal();
  std::filesystem::remove(path + ".1");
  EXPECT_NE(refusal().find("is the first of 2 parts"), std::string::npos) << refusal();
}

}  // namespace
}  // namespace assay
