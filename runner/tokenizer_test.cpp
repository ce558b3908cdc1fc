#include "runner/tokenizer.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <set>

#include "harness/runtime/error.h"
#include "harness/runtime/rng.h"
#include "runner/gguf_raw.h"
#include "runner/gguf_writer.h"

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
  const auto views = gpt2_pieces(text);
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

TEST(TokenizerTest, LongTextsTakeLittleTime) {
  Pairs pairs;
  for (std::string letters = "a"; letters.size() < 1024; letters += letters) {
    pairs.emplace_back(letters, letters);
  }
  pairs.emplace_back(" ", " ");
  const Tokenizer tokenizer = Vocabulary(pairs).tokenizer();
  const size_t n = 1 << 20;
  std::string mixed;
  while (mixed.size() < n) {
    mixed += "a\xff a,";
  }
  for (const std::string& text : {std::string(n, 'a'), std::string(n, ' ') + "a", std::string(n, '!'),
                                  std::string(n, '\xff'), std::string(n, '1'), mixed}) {
    const auto begin = std::chrono::steady_clock::now();
    const auto ids = tokenizer.encode(text);
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    EXPECT_LT(taken.count(), 20) << "for " << quote(text.substr(0, 8)) << "; quadratic is hours";
    EXPECT_EQ(decode(tokenizer, ids), text);
  }
  EXPECT_EQ(tokenizer.encode(std::string(n, 'a')).size(), n / 1024);
}

TEST(TokenizerTest, RejectsOtherTokenizers) {
  Vocabulary model;
  model.more[0].value = std::string("llama");
  EXPECT_ERROR(model, "'llama'");
  model = Vocabulary();
  model.more[1].value = std::string("llama-bpe");
  EXPECT_ERROR(model, "'llama-bpe'");
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
