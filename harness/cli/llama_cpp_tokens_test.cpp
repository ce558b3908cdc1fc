// TokenTexts to tokens beside llama.cpp's own, by npm's node-llama-cpp (ci/peers.sh): made-up vocabularies of each kind that the runner knows,
// random texts of what tokenizers stumble over. Where llama.cpp does otherwise than the published tokenizers a test says so.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "harness/cli/llama_cpp.h"
#include "harness/runtime/rng.h"
#include "harness/runtime/testing.h"
#include "harness/runtime/text.h"
#include "runner/gguf_raw.h"
#include "runner/gguf_writer.h"
#include "runner/pieces.h"
#include "runner/tokenizer.h"

namespace assay {
namespace {

using TokenTexts = std::vector<std::string>;

constexpr const char* kFragments[] = {
    // Latin
    "the", "Tokens", " of", " a", "b", "ab", "ba", "aab", "XYZ", "naïve", "É", "straße",
    // other scripts
    "안녕", "하세요", "가", "힣", "ㅋㅋ", "中文", "字", "日本語", "テスト", "ー", "Привет", "عربى", "हिन्दी", "ไทย",
    // emoji with joiners, marks
    "🙂", "👨‍👩‍👧", "👍🏽", "🇰🇷", "❤️", "\u200d", "e\u0301", "\u0301", "\u20dd",
    // digits and other numbers
    "1", "23", "456", "7890", "12345678", "٣", "½", "Ⅷ", "１２", "²",
    // contractions
    "'s", "'S", "'t", "'re", "'RE", "'Ve", "'m", "'ll", "'LL", "'d", "'D", "'", "''", "’s", "'x",
    // white space, and what only looks so
    " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", "\r", "\v", "\f", "\u0085", "\u00a0", "\u1680",
    "\u2003", "\u2028", "\u2029", "\u202f", "\u3000", "\u180e", "\u200b", "\ufeff",
    // others
    ".", "...", ",", "!?", "(", ")", "[", "{}", "<", ">", "<|", "|>", "==", "+", "$", "^", "~", "`", "#", "_", "-", "/",
    "\\", "\"", "€", "—", "。", "、", "«", "§", "©", "\u0001", "\u001b", "\u007f", "\u2581", "\u0120", "\ue000",
    "\ufffd"};

std::string random_token_text(Rng& rng, std::span<const std::string> more = {}) {
  const size_t known = std::size(kFragments);
  std::string text;
  for (uint64_t n = 1 + rng.below(24); n > 0; --n) {
    const uint64_t which = rng.below(known + more.size());
    const std::string fragment = which < known ? kFragments[which] : more[which - known];
    // Once, or in a run.
    for (uint64_t times = rng.below(8) == 0 ? 1 + rng.below(7) : 1; times > 0; --times) {
      text += fragment;
    }
  }
  return text;
}

/// TokenTexts in symbols, and the pairs that were joined in them: drawn at random, so that what occurs often is joined often.
struct DrawnPairs {
  std::vector<TokenTexts> texts;
  std::vector<std::pair<std::string, std::string>> pairs;
};

DrawnPairs draw_pairs(Rng& rng, std::vector<TokenTexts> texts, size_t n, std::set<std::string> taken) {
  DrawnPairs drawn{std::move(texts), {}};
  for (size_t tries = 0; drawn.pairs.size() < n && tries < 100 * n; ++tries) {
    const TokenTexts& from = drawn.texts[rng.below(drawn.texts.size())];
    if (from.size() < 2) {
      continue;
    }
    const size_t at = rng.below(from.size() - 1);
    const std::pair pair(from[at], from[at + 1]);
    if (pair.first.size() + pair.second.size() > 48 || !taken.insert(pair.first + pair.second).second) {
      continue;
    }
    drawn.pairs.push_back(pair);
    for (TokenTexts& text : drawn.texts) {
      TokenTexts joined;
      for (size_t i = 0; i < text.size(); ++i) {
        const bool is_pair = i + 1 < text.size() && text[i] == pair.first && text[i + 1] == pair.second;
        joined.push_back(is_pair ? pair.first + pair.second : text[i]);
        i += is_pair ? 1 : 0;
      }
      text = std::move(joined);
    }
  }
  return drawn;
}

/// A model file with a vocabulary and nothing else.
class VocabularyFile {
 public:
  void add(const std::string& token, int32_t type, float score = 0) {
    tokens_.push_back(token);
    types_.push_back(type);
    scores_.push_back(score);
  }
  VocabularyFile& set(const std::string& key, GgufValue value) {
    metadata_.push_back({key, std::move(value)});
    return *this;
  }

  /// Of GPT-2's kind: the bytes, and what these merges make of them.
  void fill_bytes(const std::string& pre, std::span<const std::pair<std::string, std::string>> pairs) {
    for (int b = 0; b < 256; ++b) {
      add(gpt2_spelling(b), TokenType::normal);
    }
    TokenTexts merges;
    for (const auto& [left, right] : pairs) {
      merges.push_back(left + " " + right);
      add(left + right, TokenType::normal);
    }
    set("tokenizer.ggml.model", std::string("gpt2")).set("tokenizer.ggml.pre", pre);
    set("tokenizer.ggml.merges", GgufArray(merges));
  }

  /// With drawn merges, and special tokens.
  void fill_byte_level(Rng& rng, const std::string& pre) {
    std::set<std::string> taken;
    for (int b = 0; b < 256; ++b) {
      taken.insert(gpt2_spelling(b));
    }
    std::vector<TokenTexts> texts;
    for (int i = 0; i < 150; ++i) {
      texts.emplace_back();
      for (const char c : random_token_text(rng)) {
        texts.back().push_back(gpt2_spelling(static_cast<unsigned char>(c)));
      }
    }
    fill_bytes(pre, draw_pairs(rng, std::move(texts), 1500, std::move(taken)).pairs);
    add_special();
  }

  /// Of SentencePiece's kind: what all have, the bytes, and these pieces with their scores.
  void fill_pieces(const std::vector<std::pair<std::string, float>>& pieces, bool adds_space) {
    add("<unk>", TokenType::unknown);
    add("<s>", TokenType::control);
    add("</s>", TokenType::control);
    for (int b = 0; b < 256; ++b) {
      add(fmt::format("<0x{:02X}>", b), TokenType::byte);
    }
    for (const auto& [piece, score] : pieces) {
      add(piece, TokenType::normal, score);
    }
    set("tokenizer.ggml.model", std::string("llama")).set("tokenizer.ggml.add_space_prefix", adds_space);
    set("tokenizer.ggml.unknown_token_id", uint32_t{0});
  }

  /// With drawn pieces, and special tokens. Some characters have no token but those of their bytes.
  void fill_sentence_pieces(Rng& rng, bool adds_space, bool ties) {
    std::vector<TokenTexts> texts;
    std::set<std::string> characters;
    for (int i = 0; i < 150; ++i) {
      texts.emplace_back();
      const std::string text = replaced(" " + random_token_text(rng), " ", "\u2581");
      for (std::string_view rest = text; !rest.empty();) {
        texts.back().emplace_back(rest.substr(0, first_character(rest).length));
        rest.remove_prefix(texts.back().back().size());
        characters.insert(texts.back().back());
      }
    }
    std::vector<std::pair<std::string, float>> pieces;
    const auto score = [&] { return -static_cast<float>(ties ? rng.below(20) : pieces.size()); };
    for (const auto& [left, right] : draw_pairs(rng, std::move(texts), 1500, {"<s>", "</s>"}).pairs) {
      pieces.emplace_back(left + right, score());
    }
    for (const std::string& c : characters) {
      if (rng.below(4) != 0) {
        pieces.emplace_back(c, score());
      }
    }
    fill_pieces(pieces, adds_space);
    add_special();
  }

  const TokenTexts& special() const { return special_; }

  std::string write() {
    auto all = metadata_;
    // What readers ask for before they look at the vocabulary.
    all.push_back({"general.architecture", std::string("llama")});
    for (const char* key :
         {"context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count"}) {
      all.push_back({fmt::format("llama.{}", key), uint32_t{1}});
    }
    all.push_back({"llama.attention.layer_norm_rms_epsilon", 1e-5f});
    for (const auto& [key, text] : {std::pair("bos", "<s>"), std::pair("eos", "</s>")}) {
      if (const auto found = std::ranges::find(tokens_, text); found != tokens_.end()) {
        all.push_back({fmt::format("tokenizer.ggml.{}_token_id", key), static_cast<uint32_t>(found - tokens_.begin())});
      }
    }
    all.push_back({"tokenizer.ggml.tokens", GgufArray(tokens_)});
    all.push_back({"tokenizer.ggml.scores", GgufArray(scores_)});
    all.push_back({"tokenizer.ggml.token_type", GgufArray(types_)});
    const std::string path = folder_.path("vocabulary.gguf");
    write_gguf(path, all, {}, {});
    return path;
  }

  /// The tokens of each text by llama.cpp; nothing if it does not take the file.
  std::vector<std::vector<int32_t>> by_llama_cpp(const TokenTexts& texts, const char* mode) {
    std::string lines;
    for (const std::string& text : texts) {
      lines += nlohmann::json(text).dump() + "\n";
    }
    write_all(folder_.path("texts"), lines);
    std::string output = output_of_llama_cpp(write(), fmt::format("{} < '{}'", mode, folder_.path("texts")));
    std::vector<std::vector<int32_t>> all;
    for (size_t end; (end = output.find('\n')) != std::string::npos; output.erase(0, end + 1)) {
      all.push_back(nlohmann::json::parse(output.substr(0, end)).get<std::vector<int32_t>>());
    }
    return all;
  }

 private:
  void add_special() {
    const std::pair<const char*, int32_t> special[] = {{"<s>", TokenType::control},
                                                       {"</s>", TokenType::control},
                                                       {"<|im_start|>", TokenType::control},
                                                       {"<|a|>", TokenType::control},
                                                       {"<unused>", TokenType::unused},
                                                       {"[user]", TokenType::user_defined},
                                                       {"[user][user]", TokenType::user_defined},
                                                       {"]ab", TokenType::user_defined},
                                                       {"      ", TokenType::user_defined},
                                                       {"\n\n\n", TokenType::user_defined},
                                                       {"무엇", TokenType::user_defined}};
    for (const auto& [text, type] : special) {
      if (std::ranges::find(tokens_, text) == tokens_.end()) {
        add(text, type);
      }
      special_.emplace_back(text);
    }
  }

  TemporaryFolder folder_;
  TokenTexts tokens_, special_;
  std::vector<int32_t> types_;
  std::vector<float> scores_;
  std::vector<GgufKeyValue> metadata_;
};

constexpr size_t kTexts = 400;

/// Of kTexts texts those that differ; the first is shown. False: llama.cpp does not take the file.
bool compare_tokens(VocabularyFile& vocabulary, Rng& rng, const std::string& what) {
  const Tokenizer tokenizer(GgufFile::open(vocabulary.write()));
  for (const bool marked : {false, true}) {
    TokenTexts texts;
    while (texts.size() < kTexts) {
      texts.push_back(random_token_text(rng, marked ? vocabulary.special() : std::span<const std::string>()));
    }
    const auto theirs = vocabulary.by_llama_cpp(texts, marked ? "marked" : "tokens");
    if (theirs.size() != texts.size()) {
      return false;
    }
    size_t differing = 0, tokens = 0, bytes = 0, longest = 0;
    for (size_t i = 0; i < texts.size(); ++i) {
      const auto ours = marked ? tokenizer.encode_marked(texts[i]) : tokenizer.encode(texts[i]);
      tokens += ours.size();
      bytes += texts[i].size();
      for (const int32_t id : ours) {
        longest = std::max(longest, tokenizer.decode_piece(id).size());
      }
      if (ours != theirs[i] && differing++ == 0) {
        ADD_FAILURE() << what << (marked ? ", marked" : "") << ": " << quote(texts[i]) << "\n ours   "
                      << nlohmann::json(ours).dump() << "\n theirs " << nlohmann::json(theirs[i]).dump();
      }
    }
    fmt::print("| {}{} | {} | {} | {:.1f} | {} |\n", what, marked ? ", marked" : "", texts.size(), differing,
               static_cast<double>(bytes) / static_cast<double>(tokens), longest);
    EXPECT_GT(longest, 8u) << what << ": long pieces should occur";
  }
  return true;
}

class LlamaCppTokens : public LlamaCpp {};

TEST_F(LlamaCppTokens, OfByteLevelVocabularies) {
  fmt::print("| vocabulary | texts | differing | bytes a token | longest token |\n|---|---|---|---|---|\n");
  TokenTexts refused;
  for (const std::string_view pre : pre_tokenizer_names()) {
    Rng rng(1 + pre.size());
    VocabularyFile vocabulary;
    vocabulary.fill_byte_level(rng, std::string(pre));
    if (!compare_tokens(vocabulary, rng, std::string(pre))) {
      refused.emplace_back(pre);
    }
  }
  EXPECT_EQ(refused, TokenTexts{"gpt-neox"});  // a name that llama.cpp does not have
}

TEST_F(LlamaCppTokens, OfSentencePieces) {
  for (const bool adds_space : {true, false}) {
    for (const bool ties : {false, true}) {
      Rng rng(101 + (adds_space ? 1 : 0) + (ties ? 2 : 0));
      VocabularyFile vocabulary;
      vocabulary.fill_sentence_pieces(rng, adds_space, ties);
      EXPECT_TRUE(compare_tokens(
          vocabulary, rng,
          fmt::format("sentence pieces{}{}", adds_space ? ", a space before" : "", ties ? ", equal scores" : "")));
    }
  }
}

/// The tokens that llama.cpp makes of one text in which nothing is marked.
std::vector<int32_t> one_by_llama_cpp(VocabularyFile& vocabulary, const std::string& text) {
  const auto all = vocabulary.by_llama_cpp({text}, "tokens");
  return all.empty() ? std::vector<int32_t>{} : all[0];
}

// What it joins from text may be a control token; SentencePiece has those in another table.
TEST_F(LlamaCppTokens, ItJoinsTextToControlTokens) {
  VocabularyFile vocabulary;
  vocabulary.fill_pieces({{"<s", 0}, {"<", 0}, {"s", 0}, {">", 0}}, false);
  EXPECT_EQ(one_by_llama_cpp(vocabulary, "<s>"), (std::vector<int32_t>{1}));
  EXPECT_EQ(Tokenizer(GgufFile::open(vocabulary.write())).encode("<s>"), (std::vector<int32_t>{259, 262}));
}

// Nobody's text is to begin a turn, whatever type the file gives to the token that does.
TEST_F(LlamaCppTokens, ItTakesTurnsFromTextWhereTheFileSaysThatTheyWereAddedForTexts) {
  VocabularyFile vocabulary;
  vocabulary.fill_bytes("gpt-2", std::vector<std::pair<std::string, std::string>>{{"a", "b"}});
  vocabulary.add("<|im_start|>", TokenType::user_defined);
  EXPECT_EQ(one_by_llama_cpp(vocabulary, "<|im_start|>"), (std::vector<int32_t>{257}));
  EXPECT_EQ(Tokenizer(GgufFile::open(vocabulary.write())).encode("<|im_start|>").size(), 12u);
}

// Llama 3's pattern says (?i:'s), of Rust's regular expressions, for which a long s is an s, too.
TEST_F(LlamaCppTokens, ItKnowsNoLongS) {
  VocabularyFile vocabulary;
  vocabulary.fill_bytes("llama-bpe", std::vector<std::pair<std::string, std::string>>{{gpt2_spelling(0xbf), "o"}});
  EXPECT_EQ(one_by_llama_cpp(vocabulary, "'ſo"), (std::vector<int32_t>{'\'', 0xc5, 256}));
  EXPECT_EQ(Tokenizer(GgufFile::open(vocabulary.write())).encode("'ſo"), (std::vector<int32_t>{'\'', 0xc5, 0xbf, 'o'}));
}

}  // namespace
}  // namespace assay
