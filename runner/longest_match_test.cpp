#include "runner/longest_match.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness/runtime/rng.h"
#include "harness/runtime/testing.h"
#include "runner/conversation.h"
#include "runner/gguf_writer.h"
#include "runner/tokenizer.h"

namespace assay {
namespace {

/// <unk>, <s>, </s>, the bytes, then these, without a score.
class MatchVocabulary {
 public:
  explicit MatchVocabulary(const std::vector<std::string>& pieces) {
    texts_ = {"<unk>", "<s>", "</s>"};
    types_ = {TokenType::unknown, TokenType::control, TokenType::control};
    for (int b = 0; b < 256; ++b) {
      texts_.push_back(fmt::format("<0x{:02X}>", b));
      types_.push_back(TokenType::byte);
    }
    for (const std::string& piece : pieces) {
      texts_.push_back(piece);
      types_.push_back(TokenType::normal);
    }
  }
  MatchVocabulary& without_byte(int b) {
    types_[static_cast<size_t>(3 + b)] = TokenType::control;
    return *this;
  }
  Tokenizer tokenizer(std::optional<PieceRule> rule = PieceRule::longest_match) const {
    const std::vector<GgufKeyValue> metadata = {{"tokenizer.ggml.model", std::string("llama")},
                                                {"tokenizer.ggml.tokens", GgufArray(texts_)},
                                                {"tokenizer.ggml.token_type", GgufArray(types_)}};
    write_gguf(folder_.path("match.gguf"), metadata, {}, {});
    return Tokenizer(GgufFile::open(folder_.path("match.gguf")), rule);
  }
  int32_t id(std::string_view text) const {
    return static_cast<int32_t>(std::ranges::find(texts_, text) - texts_.begin());
  }

 private:
  TemporaryFolder folder_;
  std::vector<std::string> texts_;
  std::vector<int32_t> types_;
};

constexpr int32_t kByte = 3;  // the token of byte 0

TEST(LongestMatchTest, TakesTheLongestTokenAtEachPlace) {
  const MatchVocabulary v({"a", "ab", "abcd", "bc", "cde", "\u2581a", "안녕"});
  const Tokenizer t = v.tokenizer();
  EXPECT_TRUE(t.takes_longest());
  EXPECT_EQ(t.encode("abcde"), (std::vector<int32_t>{v.id("abcd"), kByte + 'e'})) << "though ab, cde are fewer letters";
  EXPECT_EQ(t.encode("abc"), (std::vector<int32_t>{v.id("ab"), kByte + 'c'})) << "and bc none";
  EXPECT_EQ(t.encode(" a a"), (std::vector<int32_t>{v.id("\u2581a"), v.id("\u2581a")}));
  EXPECT_EQ(t.encode("a"), (std::vector<int32_t>{v.id("a")})) << "of the byte and the piece the later; no space before";
  EXPECT_EQ(t.encode("안녕\xec"), (std::vector<int32_t>{v.id("안녕"), kByte + 0xec}));
  EXPECT_EQ(t.encode("x \u2047 "), (std::vector<int32_t>{kByte + 'x', 0})) << "what the unknown token is called there";
  EXPECT_EQ(t.encode_prompt("a</s>"), (std::vector<int32_t>{1, v.id("a"), 2}));
  EXPECT_EQ(t.encode("</s>").size(), 4u);
}

// As KoAlpaca.cpp looks for them: through all tokens, by their IDs, at each place.
TEST(LongestMatchTest, AgreesWithTheDefinition) {
  Rng rng(6);
  for (int round = 0; round < 30; ++round) {
    std::vector<std::string> pieces;
    while (pieces.size() < 20) {
      std::string piece;
      for (uint64_t n = 1 + rng.below(6); n > 0; --n) {
        piece += "abc"[rng.below(3)];
      }
      if (std::ranges::find(pieces, piece) == pieces.end()) {
        pieces.push_back(piece);
      }
    }
    const Tokenizer t = MatchVocabulary(pieces).tokenizer();
    std::string text;
    for (int i = 0; i < 200; ++i) {
      text += "abc"[rng.below(3)];
    }
    std::vector<int32_t> expected;
    for (size_t at = 0; at < text.size();) {
      size_t length = 0;
      int32_t token = 0;
      for (int32_t id = 0; id < static_cast<int32_t>(t.size()); ++id) {
        const std::string& piece = t.decode_piece(id);
        if (piece.size() >= length && !piece.empty() && text.compare(at, piece.size(), piece) == 0) {
          length = piece.size();
          token = id;
        }
      }
      expected.push_back(token);
      at += length;
    }
    EXPECT_EQ(t.encode(text), expected) << text;
  }
}

TEST(LongestMatchTest, WhatItCannotTakeIsRefused) {
  const Tokenizer t = MatchVocabulary({"a"}).without_byte('b').tokenizer();
  expect_clear(input_error([&] { t.encode("aab\n"); }), "goes on with byte 2 of the text, 'b\\x0a'");
  expect_clear(input_error([&] { MatchVocabulary({std::string(1025, 'a')}).tokenizer(); }), "over the limit of 1024");
  expect_clear(input_error([&] { MatchVocabulary({"a"}).tokenizer(PieceRule::sentence_pieces); }),
               "'tokenizer.ggml.scores' is missing");
}

TEST(LongestMatchTest, MegabytesTakeLinearTime) {
  const Tokenizer t = MatchVocabulary({std::string(1023, 'a') + "b", "a", "aa", "\u2581\u2581"}).tokenizer();
  for (const std::string& text : {std::string(1 << 22, ' '), std::string(1 << 19, 'a'), std::string(1 << 22, '\xff')}) {
    size_t bytes = 0;
    for (const int32_t id : t.encode(text)) {
      bytes += t.decode_piece(id).size();
    }
    EXPECT_EQ(bytes, text.size());
  }
}

// The parts that its chat.cpp makes tokens of, each by itself, one after the other.
TEST(LongestMatchTest, AConversationIsThatOfKoAlpacaCpp) {
  const MatchVocabulary v({"Below", "\u2581Below", "\u2581###", "###", "##", "Hi", "\u2581Hi", "Response", ":"});
  const Tokenizer t = v.tokenizer();
  Conversation conversation(t, find_chat_template("koalpaca.cpp"), std::nullopt);
  std::vector<int32_t> expected;
  const auto add = [&](bool begins, const std::string& text) {
    if (begins) {
      expected.push_back(1);
    }
    const auto more = t.encode(text);
    expected.insert(expected.end(), more.begin(), more.end());
  };
  add(true,
      " Below is an instruction that describes a task. Write a response that appropriately completes the "
      "request.\n\n");
  add(true, "### Instruction:\n\n");
  add(false, "Hi\n");
  add(false, "### Response:\n\n");
  EXPECT_EQ(conversation.ask("Hi"), expected);
  EXPECT_EQ(expected[1], v.id("\u2581Below"));
  conversation.answer(std::vector<int32_t>{v.id("Hi")});
  expected.insert(expected.end(), {v.id("Hi"), 2});
  add(true, "### Instruction:\n\n");
  add(false, " Hi\n");
  add(false, "### Response:\n\n");
  EXPECT_EQ(conversation.ask(" Hi"), expected);
}

}  // namespace
}  // namespace assay
