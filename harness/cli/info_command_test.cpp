// What `assay info` says of model files, sound and odd.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harness/runtime/testing.h"
#include "runner/gguf_raw.h"
#include "runner/old_ggml_raw.h"

namespace assay {
namespace {

std::string shipped_for_info() { return ASSAY_SOURCE_DIR "/models/sums.gguf"; }

std::string info_of(const std::string& path, const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {"info", path};
  words.insert(words.end(), more.begin(), more.end());
  const Run run = run_assay(words);
  EXPECT_EQ(run.status, 0) << run.err;
  EXPECT_EQ(run.err, "");
  return run.out;
}

TEST(Info, TheShippedModel) {
  const std::string text = info_of(shipped_for_info());
  for (const char* part : {"general.architecture", "'gpt2'", "array of string", "of them: ", "token_embd.weight",
                           "bits/weight", "a run takes about", "nothing is odd"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  EXPECT_LT(text.size(), 20'000u) << "arrays are shortened";
}

TEST(Info, ForPrograms) {
  const auto all = nlohmann::json::parse(info_of(shipped_for_info(), {"--json"}));
  const GgufFile file = GgufFile::open(shipped_for_info());
  ASSERT_EQ(all.at("tensors").size(), file.tensors().size());
  uint64_t bytes = 0;
  for (size_t i = 0; i < file.tensors().size(); ++i) {
    EXPECT_EQ(all["tensors"][i].at("name"), file.tensors()[i].name);
    EXPECT_EQ(all["tensors"][i].at("bytes"), file.tensors()[i].data.size());
    bytes += file.tensors()[i].data.size();
  }
  uint64_t of_types = 0;
  for (const auto& type : all.at("types")) {
    of_types += type.at("bytes").get<uint64_t>();
  }
  EXPECT_EQ(of_types, bytes);
  EXPECT_EQ(all.at("metadata").size(), file.metadata().size());
  EXPECT_TRUE(all.at("odd").empty());
  // Keys and values: floats, since positions of GPT-2 turn no heads.
  const uint64_t per_position = uint64_t{8} * file.u32("gpt2.embedding_length") * file.u32("gpt2.block_count");
  EXPECT_EQ(all.at("run").at("cache_bytes"), per_position * all["run"].at("context").get<uint64_t>());
}

TEST(Info, AModelOf2023SaysWhatWasTakenForGranted) {
  const OldLlama llama(128, 4, 2, 128, 384);
  const TemporaryFolder folder;
  const std::string path = folder.path("old.bin");
  const auto info = [&](const char* name) {
    const OldBytes file = llama.file(*std::ranges::find(old_eras(), name, &OldEra::name));
    write_all(path, std::string(reinterpret_cast<const char*>(file.bytes.data()), file.bytes.size()));
    return info_of(path);
  };
  const std::string planes = info("ggml q4_1 in planes");
  for (const char* part :
       {"a file of 2023: ggml", "tokens have no scores", "1e-05", "Q4_1 lie in planes", "Q4_1_2023", "laid out anew"}) {
    EXPECT_NE(planes.find(part), std::string::npos) << part << "\n" << planes;
  }
  const std::string today = info("ggjt v3 type 2");
  EXPECT_NE(today.find("ggjt v3"), std::string::npos);
  EXPECT_EQ(today.find("laid out anew"), std::string::npos) << today;
  EXPECT_EQ(today.find("no scores"), std::string::npos) << today;
}

TEST(Info, WhatIsOddIsSaid) {
  const TemporaryFolder folder;
  const std::string path = folder.path("odd.gguf");
  RawGguf raw;
  raw.header(3, 1).str("general.architecture").num(8u).str("\x1b[2Jno_such");
  raw.tensor("b", {32}, 0, 256).tensor("a", {32}, 0, 0).tensor("k", {256, 1}, 12, 384);
  raw.data(384 + 144);
  write_all(path, std::string(reinterpret_cast<const char*>(raw.bytes.data()), raw.bytes.size()));
  const std::string text = info_of(path);
  for (const char* part : {"the runner refuses it", "not in the order", "128 bytes between tensors belong to none",
                           "the tokenizer refuses it", "\\x1b[2Jno_such"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find("a run takes"), std::string::npos);
}

TEST(Info, WhatIsNoModelIsRefused) {
  expect_refused({"info", "/no/such/file"}, "/no/such/file");
  const TemporaryFile text("hello, this is no model");
  expect_refused({"info", text.path()}, "not 'GGUF'");
}

}  // namespace
}  // namespace assay
