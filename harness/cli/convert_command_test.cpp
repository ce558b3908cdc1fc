// LLaMAs of 2023 run and are converted: one made-up model in every container and arrangement gives the text of the GGUF file of it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>

#include "harness/runtime/testing.h"
#include "runner/gguf.h"
#include "runner/old_ggml_raw.h"

namespace assay {
namespace {

const OldLlama& the_llama() {
  static const OldLlama llama(128, 4, 2, 128, 384, 8);  // of a seed with which it talks on
  return llama;
}

std::string bytes_of_era(const OldEra& era, uint64_t parts = 1, uint64_t number = 0) {
  const OldBytes file = the_llama().file(era, parts, number);
  return {reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()};
}

const OldEra& era_named(const std::string& name) { return *std::ranges::find(old_eras(), name, &OldEra::name); }

std::string text_of_run(const std::string& model, const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"run", "-m", model,    "--quiet", "--prompt", "hello",
                                    "-n",  "24", "--temp", "0",       "--force",  "*=scalar"};
  words.insert(words.end(), more.begin(), more.end());
  const Run run = run_assay(words);
  EXPECT_EQ(run.status, 0) << model << run.err;
  EXPECT_GT(run.out.size(), 16u) << model;
  return run.out;
}

/// GGUF has no Q4_2 and Q4_3: they are run as floats.
uint32_t type_of_today(const OldEra& era) { return era.type == 4 || era.type == 5 ? 0 : era.type; }

std::string gguf_of(const TemporaryFolder& folder, const OldEra& era) {
  const std::string path = folder.path("of_today.gguf");
  the_llama().write_gguf_file(path, type_of_today(era), era.version == 0 ? 1e-5f : 1e-6f);
  return path;
}

TEST(OldModels, EveryArrangementGivesTheTextOfItsGguf) {
  std::map<std::pair<uint32_t, bool>, std::string> texts;
  for (const OldEra& era : old_eras()) {
    const TemporaryFolder folder;
    const std::string path = folder.path("old.bin");
    write_all(path, bytes_of_era(era));
    auto& wanted = texts[{type_of_today(era), era.version == 0}];
    if (wanted.empty()) {
      wanted = text_of_run(gguf_of(folder, era));
    }
    EXPECT_EQ(text_of_run(path), wanted) << era.name;
  }
}

TEST(OldModels, PartsGiveTheTextOfTheWhole) {
  for (const char* name : {"ggml q4_1 in planes", "ggmf q4_0"}) {
    const TemporaryFolder folder;
    const std::string path = folder.path("old.bin");
    write_all(path, bytes_of_era(era_named(name)));
    const std::string whole = text_of_run(path);
    write_all(path, bytes_of_era(era_named(name), 2, 0));
    write_all(path + ".1", bytes_of_era(era_named(name), 2, 1));
    EXPECT_EQ(text_of_run(path), whole) << name;
  }
}

TEST(OldModels, TheReferenceAgrees) {
  for (const char* name : {"ggml q4_0", "ggjt v1 type 8", "ggjt v2 type 3", "ggml f16"}) {
    const TemporaryFolder folder;
    const std::string path = folder.path("old.bin");
    write_all(path, bytes_of_era(era_named(name)));
    text_of_run(path, {"--verify"});  // its exit status says it
  }
}

/// `assay convert`; what it prints.
std::string converted_by(const std::string& in, const std::string& out, const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"convert", in, out};
  words.insert(words.end(), more.begin(), more.end());
  const Run run = run_assay(words);
  EXPECT_EQ(run.status, 0) << run.err;
  return run.out;
}

TEST(Convert, ScalesThatFp16HoldsGiveTheSameWeights) {
  for (const OldEra& era : old_eras()) {
    const TemporaryFolder folder;
    const std::string in = folder.path("old.bin");
    const std::string out = folder.path("new.gguf");
    write_all(in, bytes_of_era(era));
    const std::string said = converted_by(in, out);
    EXPECT_NE(said.find("nothing was rounded"), std::string::npos) << era.name << said;
    const GgufFile file = GgufFile::open(out);
    const GgufFile wanted = GgufFile::open(gguf_of(folder, era));
    for (const Tensor& tensor : wanted.tensors()) {
      const Tensor& made = file.tensor(tensor.name);
      ASSERT_EQ(made.type, tensor.type) << era.name << tensor.name;
      ASSERT_TRUE(std::ranges::equal(made.data, tensor.data)) << era.name << tensor.name;
    }
    EXPECT_TRUE(file.notes().empty());
    EXPECT_EQ(file.u32("general.file_type"), OldLlama::file_type_of(type_of_today(era)));
  }
}

TEST(Convert, WhatIsRoundedIsSaid) {
  const TemporaryFolder folder;
  const std::string in = folder.path("old.bin");
  const std::string out = folder.path("new.gguf");
  std::string bytes = bytes_of_era(era_named("ggml q4_0"));
  write_all(in, bytes);
  const std::string text = text_of_run(in);
  EXPECT_NE(converted_by(in, out, {"--type", "f32"}).find("nothing was rounded"), std::string::npos);
  EXPECT_NE(converted_by(in, out, {"--type", "f16"}).find("nothing was rounded"), std::string::npos);
  EXPECT_EQ(GgufFile::open(out).tensor("blk.1.attn_v.weight").type, TensorType::f16);
  const std::string said = converted_by(in, out, {"--type", "q8_0"});
  EXPECT_NE(said.find("rounded, from Q4_0_2023 to Q8_0: "), std::string::npos) << said;
  EXPECT_EQ(GgufFile::open(out).u32("general.file_type"), 7u);
  text_of_run(out);
  // A scale that fp16 does not hold: of the first block of the embedding.
  const size_t at = bytes.find("tok_embeddings.weight") + 21;
  float scale = 0;
  std::memcpy(&scale, bytes.data() + at, sizeof scale);
  scale *= 1 + 0x1p-20f;
  std::memcpy(bytes.data() + at, &scale, sizeof scale);
  write_all(in, bytes);
  const std::string rounded = converted_by(in, out);
  EXPECT_NE(rounded.find("rounded, from Q4_0_2023 to Q4_0: "), std::string::npos) << rounded;
  EXPECT_NE(rounded.find("in 1 tensors"), std::string::npos) << rounded;
  EXPECT_EQ(text_of_run(out), text);
}

TEST(Convert, WhatCannotBeIsRefused) {
  const TemporaryFolder folder;
  const std::string in = folder.path("old.bin");
  const std::string out = folder.path("new.gguf");
  std::string bytes = bytes_of_era(era_named("ggjt v1 type 2"));
  const size_t name = bytes.find("tok_embeddings.weight");
  const size_t at = (name + 21 + 31) / 32 * 32;
  for (const float scale : {1e6f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    std::memcpy(bytes.data() + at, &scale, sizeof scale);
    write_all(in, bytes);
    expect_refused({"convert", in, out}, "'token_embd.weight': element ");
  }
  EXPECT_EQ(folder.names(), std::vector<std::string>{"old.bin"});
  expect_refused({"convert", in, in}, "same file");
  expect_refused({"convert", ASSAY_SOURCE_DIR "/models/sums.gguf", out}, "assay quantize");
  expect_refused({"convert", in, out, "--type", "q4_0"}, "--type");
  write_all(in, bytes_of_era(era_named("ggjt v1 type 2")));
  expect_refused({"quantize", in, out, "--type", "f16"}, "assay convert");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"old.bin"});
}

}  // namespace
}  // namespace assay
