// A tokenizer: the vocabulary and the text from the input. A byte says of which kind it is, one how many records follow, each a merge or a
// piece; the rest is text.
// Covers: runner/tokenizer.cpp runner/byte_pairs.cpp runner/pieces.cpp runner/sentence_pieces.cpp runner/longest_match.cpp
// Covers: runner/special_tokens.cpp runner/prefix_table.cpp
#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ci/fuzz/model_file.h"
#include "harness/runtime/text.h"
#include "runner/gguf_raw.h"
#include "runner/pieces.h"

namespace {

using assay::TokenType;

/// The input, byte by byte: zeros behind its end.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}
  uint8_t byte() {
    const uint8_t first = rest_.empty() ? uint8_t{0} : static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(rest_.empty() ? 0 : 1);
    return first;
  }
  std::string_view take(size_t most) {
    const std::string_view part = rest_.substr(0, most);
    rest_.remove_prefix(part.size());
    return part;
  }

 private:
  std::string_view rest_;
};

struct Vocabulary {
  bool has_pieces, adds_space;
  std::string pre;
  std::vector<std::string> tokens, merges;
  std::vector<int32_t> types;
  std::vector<float> scores;

  void add(std::string token, int32_t type, float score = 0) {
    tokens.push_back(std::move(token));
    types.push_back(type);
    scores.push_back(score);
  }

  explicit Vocabulary(Input& input) {
    const uint8_t kind = input.byte();
    has_pieces = kind % 2 == 1;
    adds_space = kind % 4 >= 2;
    const auto names = assay::pre_tokenizer_names();
    pre = names[kind / 4 % names.size()];
    for (int b = 0; b < 256; ++b) {
      has_pieces ? add(fmt::format("<0x{:02X}>", b), TokenType::byte) : add(assay::gpt2_spelling(b), TokenType::normal);
    }
    add("<s>", TokenType::control);
    for (size_t records = input.byte(); records > 0; --records) {
      record(input);
    }
  }

  void record(Input& input) {
    const uint8_t head = input.byte();
    if (!has_pieces && head < 0xc0) {
      const std::string& left = tokens[input.byte() % tokens.size()];
      const std::string& right = tokens[input.byte() % tokens.size()];
      merges.push_back(left + " " + right);
      add(left + right, TokenType::normal);
      return;
    }
    constexpr int32_t kTypes[] = {TokenType::normal, TokenType::control, TokenType::user_defined, TokenType::unused,
                                  TokenType::normal, TokenType::unknown, TokenType::user_defined, TokenType::normal};
    const auto score = static_cast<float>(static_cast<int8_t>(input.byte()));
    add(std::string(input.take(head / 8 % 16)), kTypes[head % 8], score);
  }

  /// The bytes of a model file that has nothing else.
  std::vector<std::byte> bytes() const {
    assay::RawGguf raw;
    const auto strings = [&](const char* key, const std::vector<std::string>& values) {
      raw.str(key).num(uint32_t{9}).num(uint32_t{8}).num<uint64_t>(values.size());
      for (const std::string& value : values) {
        raw.str(value);
      }
    };
    const auto numbers = [&](const char* key, uint32_t type, const auto& values) {
      raw.str(key).num(uint32_t{9}).num(type).template num<uint64_t>(values.size());
      for (const auto value : values) {
        raw.num(value);
      }
    };
    raw.header(0, 7);
    raw.str("tokenizer.ggml.model").num(uint32_t{8}).str(has_pieces ? "llama" : "gpt2");
    raw.str("tokenizer.ggml.pre").num(uint32_t{8}).str(pre);
    raw.str("tokenizer.ggml.add_space_prefix").num(uint32_t{7}).num(static_cast<uint8_t>(adds_space));
    strings("tokenizer.ggml.tokens", tokens);
    strings("tokenizer.ggml.merges", merges);
    numbers("tokenizer.ggml.token_type", 5, types);
    numbers("tokenizer.ggml.scores", 6, scores);
    return raw.bytes;
  }
};

void expect(bool right) {
  if (!right) {
    std::abort();
  }
}

std::string decoded(const assay::Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  std::string text;
  for (const int32_t id : ids) {
    expect(id >= 0 && static_cast<size_t>(id) < tokenizer.size());
    text += tokenizer.decode_piece(id);
  }
  return text;
}

/// Without what sentence pieces do not keep: whether a blank was U+2581, and blanks that stand before a text. Bytes that come together by
/// that may be one more.
std::string without_blanks(std::string text) {
  for (size_t before = 0; before != text.size();) {
    before = text.size();
    text = assay::replaced(assay::replaced(text, " ", ""), "\u2581", "");
  }
  return text;
}

void try_text(const assay::Tokenizer& tokenizer, const Vocabulary& vocabulary, std::string_view text) {
  const std::string back = decoded(tokenizer, tokenizer.encode(text));
  // The unknown token has no text; by the longest match there is one for it.
  const bool says_unknown = tokenizer.takes_longest() && text.find("\u2047") != std::string_view::npos;
  expect(says_unknown ||
         (vocabulary.has_pieces ? without_blanks(back) == without_blanks(std::string(text)) : back == text));
  const std::vector<int32_t> whole = tokenizer.encode_marked(text);
  decoded(tokenizer, whole);
  const std::vector<assay::TextPart> parts = {
      {text.substr(0, text.size() / 3), true}, {"", false}, {text.substr(text.size() / 3), true}};
  expect(tokenizer.encode(parts) == whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const Vocabulary vocabulary(input);
  const std::string text(input.take(SIZE_MAX));
  const std::vector<std::byte> bytes = vocabulary.bytes();
  may_reject([&] {
    const auto file = assay::GgufFile::parse("fuzz.gguf", bytes);
    try_text(assay::Tokenizer(file), vocabulary, text);
    if (vocabulary.has_pieces) {
      try_text(assay::Tokenizer(file, assay::PieceRule::longest_match), vocabulary, text);
    }
  });
  return 0;
}
