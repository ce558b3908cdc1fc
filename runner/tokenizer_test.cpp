#include "runner/tokenizer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "harness/runtime/error.h"
#include "harness/runtime/rng.h"
#include "runner/gguf_raw.h"
#include "runner/gguf_writer.h"
#include "runner/pieces.h"

namespace assay {
namespace {

using Strings = std::vector<std::string>;
using Pairs = std::vector<std::pair<std::string, std::string>>;

/// Bytes as GPT-2's vocabulary writes them.
std::string written(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out += gpt2_spelling(static_cast<unsigned char>(c));
  }
  return out;
}

/// Token b is byte b, 256 + i the result of merge i (if it is new), and the last is <|endoftext|>.
struct Vocabulary {
  Strings tokens;
  std::vector<int32_t> types;
  Strings merges;
  std::vector<GgufKeyValue> more{{"tokenizer.ggml.model", std::string("gpt2")},
                                 {"tokenizer.ggml.pre", std::string("gpt-2")}};

  explicit Vocabulary(const Pairs& pairs = {}) {
    for (int b = 0; b < 256; ++b) {
      tokens.push_back(gpt2_spelling(b));
    }
    for (const auto& [left, right] : pairs) {
      merges.push_back(written(left) + " " + written(right));
      const auto result = written(left + right);
      if (std::find(tokens.begin(), tokens.end(), result) == tokens.end()) {
        tokens.push_back(result);
      }
    }
    types.assign(tokens.size(), 1);
    add("<|endoftext|>", 3);
  }

  Vocabulary& add(const std::string& token, int32_t type) {
    tokens.push_back(token);
    types.push_back(type);
    return *this;
  }

  Tokenizer tokenizer() const {
    const auto path = std::filesystem::path(testing::TempDir()) / fmt::format("tokenizer_test_{}.gguf", getpid());
    auto metadata = more;
    metadata.push_back({"tokenizer.ggml.tokens", GgufArray(tokens)});
    metadata.push_back({"tokenizer.ggml.token_type", GgufArray(types)});
    metadata.push_back({"tokenizer.ggml.merges", GgufArray(merges)});
    write_gguf(path.string(), metadata, {}, {});
    const GgufFile file = GgufFile::open(path.string());
    std::filesystem::remove(path);
    return Tokenizer(file);
  }

  std::string error() const {
    try {
      tokenizer();
    } catch (const InputError& e) {
      return e.what();
    }
    return "";
  }
};

std::string decode(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  std::string text;
  for (const int32_t id : ids) {
    text += tokenizer.decode_piece(id);
  }
  return text;
}

/// The tokens of `text`, as the bytes that each stands for.
Strings split(const Tokenizer& tokenizer, std::string_view text) {
  Strings parts;
  for (const int32_t id : tokenizer.encode(text)) {
    parts.push_back(tokenizer.decode_piece(id));
  }
  return parts;
}

Strings pieces(std::string_view text) {
  const auto views = split_into_pieces(*find_pre_tokenizer("gpt-2"), text);
  return {views.begin(), views.end()};
}

#define EXPECT_ERROR(model, part)                                                       \
  do {                                                                                  \
    const std::string message = (model).error();                                        \
    EXPECT_NE(message.find(part), std::string::npos) << "message: '" << message << "'"; \
  } while (false)

TEST(Gpt2PiecesTest, WordsNumbersAndContractions) {
  EXPECT_EQ(pieces(""), Strings{});
  EXPECT_EQ(pieces("Hello world"), (Strings{"Hello", " world"}));
  EXPECT_EQ(pieces("I'll say it's 'tis, we'VE"),
            (Strings{"I", "'ll", " say", " it", "'s", " '", "tis", ",", " we", "'", "VE"}));
  EXPECT_EQ(pieces("x1234y 56"), (Strings{"x", "1234", "y", " 56"}));
  EXPECT_EQ(pieces("a!? b...c"), (Strings{"a", "!?", " b", "...", "c"}));
  EXPECT_EQ(pieces("'sofa"), (Strings{"'s", "ofa"}));
  EXPECT_EQ(pieces("<|endoftext|>"), (Strings{"<|", "endoftext", "|>"}));
}

TEST(Gpt2PiecesTest, WhiteSpace) {
  EXPECT_EQ(pieces("a b"), (Strings{"a", " b"}));
  EXPECT_EQ(pieces("a   b"), (Strings{"a", "  ", " b"}));
  EXPECT_EQ(pieces("a   "), (Strings{"a", "   "}));
  EXPECT_EQ(pieces("a\nb"), (Strings{"a", "\n", "b"}));
  EXPECT_EQ(pieces("a\n\n b"), (Strings{"a", "\n\n", " b"}));
  EXPECT_EQ(pieces("a \n b\t"), (Strings{"a", " \n", " b", "\t"}));
  EXPECT_EQ(pieces("\t\tx"), (Strings{"\t", "\t", "x"}));
  EXPECT_EQ(pieces(" "), (Strings{" "}));
  // No-break, ideographic and next-line are white space by Unicode; U+180E no longer is, nor is
  // NUL.
  EXPECT_EQ(pieces("a\u00a0\u3000\u0085b"), (Strings{"a", "\u00a0\u3000", "\u0085", "b"}));
  EXPECT_EQ(pieces("a \u180e b"), (Strings{"a", " \u180e", " b"}));
  EXPECT_EQ(pieces(std::string_view("a\0\0 b", 5)), (Strings{"a", std::string(2, '\0'), " b"}));
}

TEST(Gpt2PiecesTest, Unicode) {
  EXPECT_EQ(pieces("naïve Ünïcödé"), (Strings{"naïve", " Ünïcödé"}));
  EXPECT_EQ(pieces("日本語 テスト。"), (Strings{"日本語", " テスト", "。"}));
  EXPECT_EQ(pieces("Ⅷ½٣x"), (Strings{"Ⅷ½٣", "x"}));
  EXPECT_EQ(pieces("ok 🙂🙃!"), (Strings{"ok", " 🙂🙃!"}));
  EXPECT_EQ(pieces("e\u0301x"), (Strings{"e", "\u0301", "x"})) << "a combining mark is no letter";
}

TEST(Gpt2PiecesTest, InvalidUtf8FormsItsOwnPieces) {
  EXPECT_EQ(pieces("ab\xff\xfe"
                   "cd"),
            (Strings{"ab", "\xff\xfe", "cd"}));
  EXPECT_EQ(pieces("a  \x80"), (Strings{"a", "  ", "\x80"}));
  for (const std::string bad : {"\xc3", "\xc0\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                "\xf8\x88\x80\x80\x80", "\xf0\x9f\x99"}) {
    EXPECT_EQ(pieces("a" + bad + "b"), (Strings{"a", bad, "b"}));
    EXPECT_EQ(pieces(bad), (Strings{bad}));
  }
}

Strings pieces_of(std::string_view pre, std::string_view text) {
  const auto views = split_into_pieces(*find_pre_tokenizer(pre), text);
  return {views.begin(), views.end()};
}

// By hand, from the models' own patterns.
TEST(Pieces, OfOtherPreTokenizers) {
  EXPECT_EQ(pieces_of("llama-bpe", "I'LL pay 12345 (won)"),
            (Strings{"I", "'LL", " pay", " ", "123", "45", " (", "won", ")"}));
  EXPECT_EQ(pieces_of("llama-bpe", "a\n \n  b!\n\nc"), (Strings{"a", "\n \n", " ", " b", "!\n\n", "c"}));
  EXPECT_EQ(pieces_of("llama-bpe", "안녕 하세요.x"), (Strings{"안녕", " 하세요", ".x"}));
  EXPECT_EQ(pieces_of("llama-bpe", "\tx  \t y  "), (Strings{"\tx", "  \t", " y", "  "}));
  EXPECT_EQ(pieces_of("qwen2", "12 x34"), (Strings{"1", "2", " x", "3", "4"}));
  EXPECT_EQ(pieces_of("smollm", "a 12b"), (Strings{"a", " ", "1", "2", "b"}));
  EXPECT_EQ(pieces_of("default", "a==b 12345"), (Strings{"a", "==", "b", " ", "123", "45"}));
  EXPECT_EQ(pieces_of("gpt-neox", "a==b 12345"), (Strings{"a", "==", "b", " 12345"}));
  EXPECT_EQ(pieces_of("llama-bpe", "it'ſo"), (Strings{"it", "'ſ", "o"})) << "a long s is an s, whatever its case";
  EXPECT_EQ(find_pre_tokenizer("nothing"), nullptr);
  for (const std::string_view pre : pre_tokenizer_names()) {
    for (const char* blanks : {" ", "\n", " \n", "\r\n\t"}) {  // in linear time
      std::string text;
      while (text.size() < 300'000) {
        text += blanks;
      }
      size_t bytes = 0;
      for (const std::string& piece : pieces_of(pre, text + "x")) {
        bytes += piece.size();
      }
      EXPECT_EQ(bytes, text.size() + 1) << pre;
    }
  }
}

/// A vocabulary of sentence pieces: <unk>, <s>, </s>, the bytes, then these with their scores.
Tokenizer sentence_pieces(const std::vector<std::pair<std::string, float>>& tokens,
                          const std::vector<GgufKeyValue>& more = {}) {
  Strings texts = {"<unk>", "<s>", "</s>"};
  std::vector<int32_t> types = {2, 3, 3};
  std::vector<float> scores(3, 0.0f);
  for (int b = 0; b < 256; ++b) {
    texts.push_back(fmt::format("<0x{:02X}>", b));
    types.push_back(6);
    scores.push_back(0);
  }
  for (const auto& [text, score] : tokens) {
    texts.push_back(text);
    types.push_back(text.starts_with("[") ? 4 : 1);
    scores.push_back(score);
  }
  auto metadata = more;
  metadata.push_back({"tokenizer.ggml.model", std::string("llama")});
  metadata.push_back({"tokenizer.ggml.tokens", GgufArray(texts)});
  metadata.push_back({"tokenizer.ggml.token_type", GgufArray(types)});
  metadata.push_back({"tokenizer.ggml.scores", GgufArray(scores)});
  const auto path = std::filesystem::path(testing::TempDir()) / fmt::format("pieces_test_{}.gguf", getpid());
  write_gguf(path.string(), metadata, {}, {});
  const GgufFile file = GgufFile::open(path.string());
  std::filesystem::remove(path);
  return Tokenizer(file);
}

Strings prompt_of(const Tokenizer& tokenizer, std::string_view text) {
  Strings parts;
  for (const int32_t id : tokenizer.encode_prompt(text)) {
    parts.push_back(id < 3 ? fmt::format("#{}", id) : tokenizer.decode_piece(id));
  }
  return parts;
}

TEST(SentencePiecesTest, TheHighestScoreIsJoinedFirst) {
  const std::vector<std::pair<std::string, float>> tokens = {{"\u2581", -5}, {"a", -6},   {"b", -7},       {"ab", -1},
                                                             {"ba", -2},     {"aba", -3}, {"\u2581a", -4}, {"[X]", 0}};
  const Tokenizer t = sentence_pieces(tokens);
  EXPECT_EQ(prompt_of(t, "ab"), (Strings{"#1", " ", "ab"})) << "a blank before, and the token that begins a text";
  EXPECT_EQ(prompt_of(t, "aba"), (Strings{"#1", " ", "aba"}));
  EXPECT_EQ(prompt_of(t, "bab"), (Strings{"#1", " ", "b", "ab"})) << "ab before ba";
  EXPECT_EQ(prompt_of(t, "aa"), (Strings{"#1", " a", "a"})) << "of equals the leftmost";
  EXPECT_EQ(prompt_of(t, "a  a"), (Strings{"#1", " a", " ", " a"}));
  EXPECT_EQ(prompt_of(t, "é"), (Strings{"#1", " ", "\xc3", "\xa9"})) << "bytes of what is no token";
  EXPECT_EQ(prompt_of(t, "b\xff"), (Strings{"#1", " ", "b", "\xff"}));
  EXPECT_EQ(prompt_of(t, "a</s>a[X]b"), (Strings{"#1", " a", "#2", " a", "[X]", " ", "b"}));
  EXPECT_EQ(prompt_of(t, ""), (Strings{"#1"}));
  EXPECT_TRUE(t.ends(2));
  EXPECT_EQ(t.eos(), 2);
  const Tokenizer plain = sentence_pieces(tokens, {{"tokenizer.ggml.add_space_prefix", false},
                                                   {"tokenizer.ggml.add_bos_token", false},
                                                   {"tokenizer.ggml.add_eos_token", true}});
  EXPECT_EQ(prompt_of(plain, "ab"), (Strings{"ab", "#2"}));
}

// Again and again the best pair, wherever it stands.
TEST(SentencePiecesTest, AgreesWithTheDefinition) {
  Rng rng(5);
  for (int round = 0; round < 20; ++round) {
    std::vector<std::pair<std::string, float>> tokens = {{"a", -100}, {"b", -100}, {"c", -100}};
    std::set<std::string> seen = {"a", "b", "c"};
    while (tokens.size() < 40) {
      const std::string text = tokens[rng.below(tokens.size())].first + tokens[rng.below(tokens.size())].first;
      if (text.size() < 8 && seen.insert(text).second) {
        tokens.emplace_back(text, -static_cast<float>(rng.below(20)));
      }
    }
    const std::map<std::string, float> scores(tokens.begin(), tokens.end());
    const Tokenizer t = sentence_pieces(tokens, {{"tokenizer.ggml.add_space_prefix", false}});
    for (int i = 0; i < 20; ++i) {
      std::string text;
      Strings expected;
      for (uint64_t n = 1 + rng.below(40); n > 0; --n) {
        text += "abc"[rng.below(3)];
        expected.emplace_back(1, text.back());
      }
      for (;;) {
        size_t best = expected.size();
        float most = -INFINITY;
        for (size_t j = 0; j + 1 < expected.size(); ++j) {
          const auto found = scores.find(expected[j] + expected[j + 1]);
          if (found != scores.end() && found->second > most) {
            most = found->second;
            best = j;
          }
        }
        if (best == expected.size()) {
          break;
        }
        expected[best] += expected[best + 1];
        expected.erase(expected.begin() + static_cast<ptrdiff_t>(best) + 1);
      }
      EXPECT_EQ(split(t, text), expected) << text;
    }
  }
}

/// Megabytes of what is hard: one long word, one letter, blanks, merges that undo one another, bytes that are no character.
Strings hard_texts() {
  constexpr size_t kBytes = 1 << 20;
  Strings texts;
  for (const char c : {'a', ' ', '!', '\xff', '1', '\n'}) {
    texts.push_back(std::string(kBytes, c) + "a");
  }
  for (const std::string repeated : {"ab", "aab", "a\xff a,", "abba", "\xf0\x9f\x99\x82", "a\u0301"}) {
    texts.emplace_back();
    while (texts.back().size() < kBytes) {
      texts.back() += repeated;
    }
  }
  Rng rng(9);
  texts.emplace_back();
  while (texts.back().size() < kBytes) {
    texts.back() += "abcd"[rng.below(4)];
  }
  return texts;
}

/// Merges, or pieces, of which each doubles the one before, and others that begin where those end.
Pairs doubling_pairs() {
  Pairs pairs = {{"b", "a"}, {"a", "b"}, {"ab", "ba"}, {"ba", "b"}, {" ", " "}, {"\n", "\n"}};
  for (std::string letters = "a"; letters.size() < 1024; letters += letters) {
    pairs.emplace_back(letters, letters);
  }
  return pairs;
}

TEST(SentencePiecesTest, MegabytesTakeLinearTime) {
  std::vector<std::pair<std::string, float>> tokens = {{"\u2581", -1}, {"a", -2}, {"b", -2}};
  for (const auto& [left, right] : doubling_pairs()) {
    std::string piece;
    for (const char c : left + right) {
      c == ' ' ? piece += "\u2581" : piece += c;
    }
    tokens.emplace_back(piece, -3 - static_cast<float>(tokens.size()));
  }
  const Tokenizer t = sentence_pieces(tokens);
  for (const std::string& text : hard_texts()) {
    EXPECT_TRUE(decode(t, t.encode(text)) == " " + text) << quote(text.substr(0, 8));
  }
}

TEST(SentencePiecesTest, NoTextIsJoinedToAControlTokenOrAByte) {
  const Tokenizer t = sentence_pieces({{"<s", -1}, {">", -1}, {"<0", -1}, {"<0x", -1}, {"<0x0", -1}, {"A>", -1}},
                                      {{"tokenizer.ggml.add_space_prefix", false}});
  EXPECT_EQ(split(t, "<s>"), (Strings{"<s", ">"}));
  EXPECT_EQ(split(t, "<0x0A>"), (Strings{"<0x0", "A>"}));
  EXPECT_EQ(t.encode_marked("<s>"), (std::vector<int32_t>{1}));
}

// Wherever a text is cut into parts, and whatever its pieces.
TEST(SentencePiecesTest, PartsAreOneText) {
  const Tokenizer t = sentence_pieces({{"\u2581", -5}, {"a", -6}, {"b", -7}, {"ab", -1}, {"\u2581a", -4}, {"[X]", 0}});
  const std::string text = "ab </s>a  ab[X] ab";
  const auto whole = t.encode_marked(text);
  for (size_t i = 0; i <= text.size(); ++i) {
    for (size_t j = i; j <= text.size(); ++j) {
      const std::string_view all = text;
      std::vector<TextPart> parts = {{all.substr(0, i), true}, {all.substr(i, j - i), false}, {all.substr(j), true}};
      const bool is_plain = j <= 3 || i >= 7 || i == j;
      EXPECT_EQ(t.encode(parts) == whole, is_plain) << i << " to " << j << " is not marked";
    }
  }
  const std::vector<TextPart> plain = {{"a", true}, {"</s>", false}, {"b", true}};
  EXPECT_EQ(decode(t, t.encode(plain)), " a</s>b") << "no space but the first";
}

TEST(TokenizerTest, Phi3sTokensTakeTheWhiteSpaceBehindThem) {
  const std::vector<std::pair<std::string, float>> tokens = {{"\u2581", -1}, {"[U]", 0}};
  const Tokenizer phi = sentence_pieces(tokens, {{"general.architecture", std::string("phi3")}});
  const Tokenizer llama = sentence_pieces(tokens, {{"general.architecture", std::string("llama")}});
  EXPECT_EQ(prompt_of(phi, "<s> a</s> \n\t b[U] "), (Strings{"#1", "#1", " ", " ", "a", "#2", " ", "b", "[U]"}));
  EXPECT_EQ(prompt_of(phi, "</s>\n</s>"), (Strings{"#1", "#2", "#2"}));
  EXPECT_EQ(prompt_of(llama, "</s>\na"), (Strings{"#1", "#2", " ", "\n", "a"}));
}

TEST(TokenizerTest, SpecialTokensOfAPrompt) {
  const Tokenizer t = Vocabulary().add("<|im_start|>", 3).add("<|im_end|>", 3).add("[INST]", 4).tokenizer();
  EXPECT_EQ(t.encode_prompt("a<|im_start|>b<|endoftext|>"), (std::vector<int32_t>{'a', 257, 'b', 256}));
  EXPECT_EQ(t.encode_prompt("<|im_end|>[INST]"), (std::vector<int32_t>{258, 259}));
  EXPECT_EQ(t.encode("<|im_end|>").size(), 10u) << "and of a text none";
  EXPECT_EQ(t.encode("a[INST]"), (std::vector<int32_t>{'a', 259})) << "but those that were added for texts";
  EXPECT_TRUE(t.ends(258)) << "a token of that name ends an answer, whatever the file says";
  EXPECT_FALSE(t.ends(257));
}

TEST(TokenizerTest, NobodysTextBeginsOrEndsATurn) {
  const Strings marks = {"<|im_start|>", "<｜User｜>", "<start_of_turn>", "</s>", "[EOS]"};
  Vocabulary v;
  for (const std::string& mark : marks) {
    v.add(mark, 4);
  }
  const Tokenizer t = v.tokenizer();
  for (const std::string& mark : marks) {
    EXPECT_EQ(t.encode_marked(mark).size(), 1u) << mark;
    EXPECT_EQ(t.encode(mark).size(), mark.size()) << mark;
  }
  EXPECT_ERROR(Vocabulary().add(std::string(1025, 'x'), 3), "is special and has 1025 bytes, over the limit of 1024");
}

TEST(TokenizerTest, BytesThatNoTextHasNeedNoToken) {
  Vocabulary v;
  for (const int b : {0xc0, 0xff, 0x03}) {
    v.types[static_cast<size_t>(b)] = TokenType::unused;
    v.tokens[static_cast<size_t>(b)] = fmt::format("none {}", b);
  }
  const Tokenizer t = v.tokenizer();
  EXPECT_EQ(split(t, "a\xc3"), (Strings{"a", "\xc3"}));
  EXPECT_THROW(t.encode("a\xff"), InputError);
  EXPECT_THROW(t.encode("\x03"), InputError);
}

TEST(TokenizerTest, PiecesThatAreTokensNeedNoMerges) {
  Vocabulary v(Pairs{{"a", "b"}});
  v.add("xyz", 1).more[1].value = std::string("llama-bpe");
  const Tokenizer t = v.tokenizer();
  EXPECT_EQ(split(t, "xyz"), (Strings{"xyz"}));
  EXPECT_EQ(split(t, "xyza"), (Strings{"x", "y", "z", "a"}));
  v.more[1].value = std::string("qwen2");
  EXPECT_EQ(split(v.tokenizer(), "xyz"), (Strings{"x", "y", "z"}));
}

TEST(TextStreamTest, GivesWholeCharacters) {
  TextStream stream;
  EXPECT_EQ(stream.add("a\xec"), "a");
  EXPECT_EQ(stream.add("\x95"), "");
  EXPECT_EQ(stream.add("\x88!"), "안!");
  EXPECT_EQ(stream.add("\xf0\x9f\x99"), "");
  EXPECT_EQ(stream.add("\x82\xc3"), "🙂");
  EXPECT_EQ(stream.finish(), "\ufffd");
  EXPECT_EQ(stream.finish(), "");
  EXPECT_EQ(stream.add("\xff\x80\x80\x80"), "\xff\x80\x80\x80") << "what can become no character does not wait";
}

TEST(TokenizerTest, BytesAlone) {
  const Tokenizer tokenizer = Vocabulary().tokenizer();
  EXPECT_EQ(tokenizer.size(), 257u);
  EXPECT_EQ(tokenizer.encode(""), std::vector<int32_t>{});
  EXPECT_EQ(tokenizer.encode("Hi \n"), (std::vector<int32_t>{'H', 'i', ' ', '\n'}));
  EXPECT_EQ(tokenizer.encode("\xad\xff"), (std::vector<int32_t>{0xad, 0xff}));
  for (int b = 0; b < 256; ++b) {
    EXPECT_EQ(tokenizer.decode_piece(b), std::string(1, static_cast<char>(b)));
  }
}

TEST(TokenizerTest, MergesApplyByRank) {
  const Tokenizer tokenizer =
      Vocabulary(Pairs{{"l", "o"}, {"o", "w"}, {"lo", "w"}, {" ", "low"}, {"e", "r"}, {" low", "er"}}).tokenizer();
  EXPECT_EQ(split(tokenizer, "low"), (Strings{"low"}));
  EXPECT_EQ(split(tokenizer, "ow low lower"), (Strings{"ow", " low", " lower"}));
  EXPECT_EQ(split(tokenizer, "lowlower"), (Strings{"low", "low", "er"}));
  EXPECT_EQ(tokenizer.encode("lo"), (std::vector<int32_t>{256}));
  EXPECT_EQ(split(Vocabulary(Pairs{{"b", "c"}, {"a", "b"}}).tokenizer(), "abc"), (Strings{"a", "bc"}));
  EXPECT_EQ(split(Vocabulary(Pairs{{"a", "a"}}).tokenizer(), "aaaaa"), (Strings{"aa", "aa", "a"}));
}

TEST(TokenizerTest, MergesStayInsidePieces) {
  const Tokenizer tokenizer = Vocabulary(Pairs{{"a", " "}, {"a", "1"}, {"\n", "b"}, {" ", " "}}).tokenizer();
  EXPECT_EQ(split(tokenizer, "a a1\nb"), (Strings{"a", " ", "a", "1", "\n", "b"}));
  EXPECT_EQ(split(tokenizer, "a    b"), (Strings{"a", "  ", " ", " ", "b"}));
}

TEST(TokenizerTest, MultibyteMerges) {
  const Tokenizer tokenizer = Vocabulary(Pairs{{"\xf0", "\x9f"}, {"\xf0\x9f", "\x99"}, {"\xc3", "\xa9"}}).tokenizer();
  EXPECT_EQ(split(tokenizer, "🙂é"), (Strings{"\xf0\x9f\x99", "\x82", "é"}));
  EXPECT_EQ(split(tokenizer, "\xf0\x9f\x99"), (Strings{"\xf0\x9f\x99"}));
}

TEST(TokenizerTest, ControlTokensAreNotText) {
  Vocabulary model;
  model.more.push_back({"tokenizer.ggml.eos_token_id", uint32_t{256}});
  const Tokenizer tokenizer = model.tokenizer();
  EXPECT_EQ(tokenizer.eos(), 256);
  EXPECT_EQ(tokenizer.decode_piece(256), "");
  const std::string text = "<|endoftext|>";
  EXPECT_EQ(tokenizer.encode(text).size(), text.size());
  EXPECT_EQ(decode(tokenizer, tokenizer.encode(text)), text);
  EXPECT_EQ(Vocabulary().tokenizer().eos(), std::nullopt);
  EXPECT_THROW(tokenizer.decode_piece(-1), InputError);
  EXPECT_THROW(tokenizer.decode_piece(257), InputError);
}

TEST(TokenizerTest, UserTokensAreRawText) {
  const Tokenizer tokenizer = Vocabulary().add(" raw\xc4\xa0", 4).tokenizer();
  EXPECT_EQ(tokenizer.decode_piece(257), " raw\xc4\xa0");
}

/// A vocabulary trained as BPE is: merges of random known tokens, each with a new result.
Vocabulary random_model(Rng& rng, std::string_view letters, size_t n) {
  Strings known;
  for (const char c : letters) {
    known.emplace_back(1, c);
  }
  std::set<std::string> seen(known.begin(), known.end());
  Pairs pairs;
  while (pairs.size() < n) {
    const auto left = known[rng.below(known.size())];
    const auto right = known[rng.below(known.size())];
    if (left.size() + right.size() < 12 && seen.insert(left + right).second) {
      pairs.emplace_back(left, right);
      known.push_back(left + right);
    }
  }
  return Vocabulary(pairs);
}

TEST(TokenizerTest, AgreesWithTheDefinition) {
  Rng rng(3);
  for (int round = 0; round < 20; ++round) {
    const Vocabulary model = random_model(rng, "abc", 40);
    const Tokenizer tokenizer = model.tokenizer();
    for (int i = 0; i < 20; ++i) {
      Strings expected;
      std::string text;
      for (uint64_t n = 1 + rng.below(60); n > 0; --n) {
        text += "abc"[rng.below(3)];
        expected.emplace_back(1, text.back());
      }
      // Sennrich et al. 2016: again and again, the pair of the lowest rank, wherever it stands.
      for (const auto& merge : model.merges) {
        const auto space = merge.find(' ');
        for (size_t j = 0; j + 1 < expected.size(); ++j) {
          if (expected[j] == merge.substr(0, space) && expected[j + 1] == merge.substr(space + 1)) {
            expected[j] += expected[j + 1];
            expected.erase(expected.begin() + static_cast<ptrdiff_t>(j) + 1);
          }
        }
      }
      EXPECT_EQ(split(tokenizer, text), expected) << text;
    }
  }
}

TEST(TokenizerTest, RandomBytesComeBack) {
  Rng rng(4);
  std::string letters;
  for (int b = 0; b < 256; ++b) {
    letters += static_cast<char>(b);
  }
  const Tokenizer tokenizer = random_model(rng, letters, 3000).tokenizer();
  const Strings alphabets{letters, "ab ", " \n\t\xc2\xa0", "'stre lvmd", "\xf0\x9f\x99\x82\xc3\xa9x "};
  for (int i = 0; i < 2000; ++i) {
    const std::string& alphabet = alphabets[rng.below(alphabets.size())];
    std::string text;
    for (uint64_t n = rng.below(100); n > 0; --n) {
      text += alphabet[rng.below(alphabet.size())];
    }
    EXPECT_EQ(decode(tokenizer, tokenizer.encode(text)), text);
  }
}

TEST(TokenizerTest, MegabytesTakeLinearTime) {
  const Tokenizer tokenizer = Vocabulary(doubling_pairs()).tokenizer();
  for (const std::string& text : hard_texts()) {
    EXPECT_TRUE(decode(tokenizer, tokenizer.encode(text)) == text) << quote(text.substr(0, 8));
  }
  EXPECT_EQ(tokenizer.encode(std::string(1 << 20, 'a')).size(), size_t{1 << 20} / 1024);
}

TEST(TokenizerTest, RejectsOtherTokenizers) {
  Vocabulary model;
  model.more[0].value = std::string("rwkv");
  EXPECT_ERROR(model, "'rwkv'");
  model = Vocabulary();
  model.more[1].value = std::string("tekken");
  EXPECT_ERROR(model, "'tekken'; known are gpt-2, ");
  model.more.pop_back();  // older converters wrote none
  EXPECT_EQ(model.error(), "");
  model.more.clear();
  EXPECT_ERROR(model, "'tokenizer.ggml.model' is missing");
}

TEST(TokenizerTest, RejectsBadVocabularies) {
  Vocabulary model;
  model.tokens['\n'] = "unused";
  EXPECT_ERROR(model, "no token for byte 0x0a");
  EXPECT_ERROR(Vocabulary().add("a", 1), "tokens 97 and 257 are both 'a'");
  EXPECT_ERROR(Vocabulary().add("<|endoftext|>", 1), "tokens 256 and 257");
  EXPECT_ERROR(Vocabulary().add("a b", 1), "token 257, 'a b', is not in GPT-2's alphabet");
  EXPECT_ERROR(Vocabulary().add("日", 1), "is not in GPT-2's alphabet");
  EXPECT_ERROR(Vocabulary().add("\xc4", 1), "is not in GPT-2's alphabet");
  model = Vocabulary();
  model.types.pop_back();
  EXPECT_ERROR(model, "256 entries for 257 tokens");
  for (const int32_t eos : {-2, 257, INT32_MAX}) {
    model = Vocabulary();
    model.more.push_back({"tokenizer.ggml.eos_token_id", eos});
    EXPECT_ERROR(model, fmt::format("eos_token_id is {}", eos));
  }
}

TEST(TokenizerTest, RejectsBadMerges) {
  const auto merging = [](const std::string& merge) {
    Vocabulary model(Pairs{{"a", "b"}});
    model.merges.push_back(merge);
    return model;
  };
  for (const char* merge : {"", "ab", "a b c", "a  b"}) {
    EXPECT_ERROR(merging(merge), "is not two tokens");
  }
  EXPECT_ERROR(merging("zz a"), "needs token 'zz', which is unknown");
  EXPECT_ERROR(merging("a zz"), "needs token 'zz', which is unknown");
  EXPECT_ERROR(merging("a c"), "needs token 'ac', which is unknown");
  EXPECT_ERROR(merging(" a"), "needs token '', which is unknown");
  EXPECT_ERROR(merging("a b"), "merges 0 and 1 are both 'a b'");
  EXPECT_ERROR(merging("<|endoftext|> a"), "control token");
  Vocabulary model;
  model.add("<s>", 3).add("<s", 1).merges = {"<s >"};
  EXPECT_ERROR(model, "control token");
  model = Vocabulary();
  model.add("\xc4\xa0x", 4).merges = {"\xc4\xa0 x"};  // as a user's token, that is no space
  EXPECT_ERROR(model, "does not spell the bytes of its parts");
}

}  // namespace
}  // namespace assay
