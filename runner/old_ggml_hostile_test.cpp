// Files of 2023 made to do harm: each is refused with a message that names the file, in little time and memory.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <numeric>

#include "harness/check/testing.h"
#include "harness/runtime/rng.h"
#include "harness/runtime/testing.h"
#include "runner/model.h"
#include "runner/old_ggml_raw.h"
#include "runner/tokenizer.h"

namespace assay {
namespace {

using Bytes = std::vector<std::byte>;

OldLlama least_llama() { return {32, 1, 1, 32, 96}; }

std::string refusal_of_old(const Bytes& bytes) {
  const Bytes kept(bytes);  // of its own size: AddressSanitizer sees one byte too many
  return input_error([&] {
    const GgufFile file = GgufFile::parse("the.bin", kept);
    for (const auto& t : file.tensors()) {
      ASSERT_EQ(t.data.size(), tensor_bytes(t.type, t.shape()));
      ASSERT_NE(std::accumulate(t.data.begin(), t.data.end(), 1u,
                                [](unsigned sum, std::byte b) { return sum + static_cast<unsigned>(b); }),
                0u);  // each byte can be read
    }
    const Tokenizer tokenizer(file);
    ModelSizes::read(file);
  });
}

// One of each container, and those whose rows are laid out anew.
std::vector<OldEra> chosen_eras() {
  std::vector<OldEra> eras;
  for (const OldEra& era : old_eras()) {
    for (const char* name :
         {"ggml q4_1 in planes", "ggmf q4_0", "ggjt v1 type 5", "ggjt v2 type 2", "ggjt v3 type 7"}) {
      if (era.name == name) {
        eras.push_back(era);
      }
    }
  }
  return eras;
}

TEST(HostileOldGgml, TruncatedAtEveryByte) {
  for (const OldEra& era : chosen_eras()) {
    const Bytes whole = least_llama().file(era).bytes;
    ASSERT_EQ(refusal_of_old(whole), "") << era.name;
    within_limits([&] {
      for (size_t n = 0; n < whole.size(); n += kSanitized ? 7 : 1) {
        const std::string message = refusal_of_old(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n)));
        ASSERT_NE(message, "") << era.name << " cut to " << n << " of " << whole.size() << " bytes";
        expect_clear(message, "the.bin: byte ");
      }
    });
  }
}

TEST(HostileOldGgml, EveryFieldAtItsExtremes) {
  for (const OldEra& era : chosen_eras()) {
    const OldBytes whole = least_llama().file(era);
    within_limits([&] {
      size_t tried = 0;
      size_t refused = 0;
      for (const size_t field : whole.fields) {
        uint32_t now = 0;
        std::memcpy(&now, whole.bytes.data() + field, sizeof now);
        for (const uint32_t value : {0u, 1u, now - 1, now + 1, 2 * now, now / 2, now + 32, UINT32_MAX, UINT32_MAX - 1,
                                     UINT32_MAX / 8, 1u << 31, (1u << 31) - 1, 1u << 24, 0xffffffe0u}) {
          Bytes changed = whole.bytes;
          std::memcpy(changed.data() + field, &value, sizeof value);
          const std::string message = refusal_of_old(changed);
          ++tried;
          refused += !message.empty();
          if (!message.empty()) {
            expect_clear(message, "the.bin");
          }
        }
      }
      EXPECT_GT(tried, 500u);
      EXPECT_GT(refused, tried * 8 / 10) << era.name;  // the rest says the same, or what nothing depends on
    });
  }
}

// What nobody thought of; ci/fuzz/old_ggml.cpp tries more of it.
TEST(HostileOldGgml, SomeBytesOfTheHeaderOrTheRecordsChanged) {
  for (const OldEra& era : chosen_eras()) {
    const OldBytes whole = least_llama().file(era);
    within_limits([&] {
      Rng rng(era.type);
      size_t refused = 0;
      for (int i = 0; i < 1000; ++i) {
        Bytes changed = whole.bytes;
        for (size_t n = 1 + rng.below(4); n > 0; --n) {
          const size_t at = whole.fields[rng.below(whole.fields.size())] + rng.below(32);
          changed[std::min(at, changed.size() - 1)] = static_cast<std::byte>(rng.below(256));
        }
        const std::string message = refusal_of_old(changed);
        refused += !message.empty();
        if (!message.empty()) {
          expect_clear(message, "the.bin");
        }
      }
      EXPECT_GT(refused, 100u);
      EXPECT_LT(refused, 1000u);
    });
  }
}

TEST(HostileOldGgml, AbsurdSizesTakeNeitherTimeNorMemory) {
  // A sparse file of a TiB: all zeros behind the header, or behind a record that promises it.
  const OldBytes whole = least_llama().file(*std::ranges::find(old_eras(), "ggjt v2 type 2", &OldEra::name));
  const TemporaryFolder folder;
  const std::string path = folder.path("sparse.bin");
  for (const size_t kept : {size_t{36}, whole.bytes.size()}) {
    write_all(path, std::string(reinterpret_cast<const char*>(whole.bytes.data()), kept));
    ASSERT_EQ(truncate(path.c_str(), off_t{1} << 40), 0);
    const auto begin = std::chrono::steady_clock::now();
    expect_clear(input_error([&] { GgufFile::open(path); }), path);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
  }
}

TEST(HostileOldGgml, WhatIsNoModelIsNamed) {
  const auto refusal = [](std::string_view text) {
    Bytes bytes;
    for (const char c : text) {
      bytes.push_back(static_cast<std::byte>(c));
    }
    return refusal_of_old(bytes);
  };
  EXPECT_NE(refusal("algg").find("LoRA adapter"), std::string::npos);
  EXPECT_NE(refusal(std::string_view("tjgg\4\0\0\0", 8)).find("version"), std::string::npos);
  EXPECT_NE(refusal(std::string_view("fmgg\2\0\0\0", 8)).find("version"), std::string::npos);
  EXPECT_NE(refusal("gguf").find("not 'GGUF'"), std::string::npos);
  EXPECT_NE(refusal("lmgg").find("n_vocab"), std::string::npos);
}

TEST(HostileOldGgml, TensorsOfAnotherModelOrTwice) {
  const OldEra& era = old_eras()[2];
  const auto refusal = [&](const auto& change) {
    OldLlama llama = least_llama();
    change(llama);
    return refusal_of_old(llama.file(era).bytes);
  };
  const auto renamed = [](const char* name) { return [name](OldLlama& llama) { llama.matrices.back().first = name; }; };
  for (const char* name :
       {"layers.1.attention.wq.weight", "layers.00.attention.wq.weight", "layers.0.attention.wx.weight",
        "layers.-1.attention.wq.weight", "layers..attention.wq.weight", "rope.freqs", "x"}) {
    EXPECT_NE(refusal(renamed(name)).find("is none of a LLaMA of 1 layers"), std::string::npos) << name;
  }
  EXPECT_NE(refusal(renamed("output.weight")).find("occurs twice"), std::string::npos);
  EXPECT_NE(refusal([](OldLlama& llama) { llama.vectors.pop_back(); }).find("there are 11 tensors"), std::string::npos);
  EXPECT_NE(refusal([](OldLlama& llama) { llama.vectors.emplace_back("more", std::vector<float>(3)); }).find("follow"),
            std::string::npos);
  EXPECT_NE(refusal([](OldLlama& llama) { llama.tokens[5].resize(1025); }).find("token 5"), std::string::npos);
}

TEST(HostileOldGgml, MatricesOfOtherShapes) {
  const auto refusal = [](uint64_t cols, uint64_t rows) {
    OldLlama llama = least_llama();
    OldMatrix& m = llama.matrices.back().second;
    m = {cols, rows, std::vector<uint8_t>(cols * rows, 8), std::vector<uint32_t>(cols / 32 * rows, 1)};
    return refusal_of_old(llama.file(old_eras()[2]).bytes);
  };
  EXPECT_EQ(refusal(32, 96), "");
  for (const auto& [cols, rows] :
       {std::pair(64u, 48u), std::pair(96u, 32u), std::pair(32u, 95u), std::pair(32u, 97u)}) {
    EXPECT_NE(refusal(cols, rows).find("'layers.0.feed_forward.w3.weight': has the shape"), std::string::npos);
  }
}

// What might be scales of an unversioned file is too large, whichever way it is read.
TEST(HostileOldGgml, ScalesThatAreNoScalesAreRefused) {
  for (const OldEra& era : old_eras()) {
    if (!era.name.starts_with("ggml q4")) {
      continue;
    }
    OldLlama llama = least_llama();
    for (auto& [name, m] : llama.matrices) {
      std::ranges::fill(m.scales, 1u << 31);
    }
    EXPECT_NE(refusal_of_old(llama.file(era).bytes).find("no sound scales"), std::string::npos) << era.name;
  }
}

}  // namespace
}  // namespace assay
