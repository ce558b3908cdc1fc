#include "runner/sentence_pieces.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <queue>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

constexpr std::string_view kBlank = "\u2581";

/// "<0x0A>": the byte that a token is; -1: none.
int byte_of(std::string_view text) {
  unsigned value = 0;
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') {
    return -1;
  }
  const auto [end, error] = std::from_chars(text.data() + 3, text.data() + 5, value, 16);
  return error == std::errc() && end == text.data() + 5 ? static_cast<int>(value) : -1;
}

/// Two neighbours that may become one.
struct Candidate {
  float score;
  size_t left;   ///< where it begins, in bytes
  size_t bytes;  ///< of both; the neighbours may have changed since
  int32_t token;

  /// For a queue that gives the highest score first, and of equal scores the leftmost.
  bool operator<(const Candidate& other) const {
    return score != other.score ? score < other.score : left > other.left;
  }
};

}  // namespace

std::vector<std::string> piece_texts(const TokenTable& table) {
  std::vector<std::string> pieces(table.texts.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    const int32_t type = table.types[i];
    const std::string& text = table.texts[i];
    if (type == TokenType::control || type == TokenType::unknown) {
      continue;
    }
    if (type != TokenType::byte) {
      pieces[i] = type == TokenType::user_defined ? text : replaced(text, kBlank, " ");
      continue;
    }
    const int value = byte_of(text);
    if (value < 0) {
      throw InputError(
          fmt::format("{}: token {}, {}, is of the type of bytes, but not written as one, <0x0A>; re-convert the model",
                      table.file, i, quote(text)));
    }
    pieces[i] = std::string(1, static_cast<char>(value));
  }
  return pieces;
}

SentencePieces::SentencePieces(const GgufFile& file, const TokenTable& table, std::optional<int32_t> unknown)
    : adds_space_(file.find_boolean("tokenizer.ggml.add_space_prefix").value_or(true)),
      pieces_(piece_texts(table)),
      scores_(file.f32s("tokenizer.ggml.scores")),
      unknown_(unknown) {
  if (scores_.size() != table.texts.size()) {
    throw InputError(fmt::format("{}: tokenizer.ggml.scores has {} entries for {} tokens; re-convert the model",
                                 table.file, scores_.size(), table.texts.size()));
  }
  if (const auto bad = std::ranges::find_if(scores_, [](float s) { return std::isnan(s); }); bad != scores_.end()) {
    throw InputError(fmt::format("{}: tokenizer.ggml.scores: number {} is no number; re-convert the model", table.file,
                                 bad - scores_.begin()));
  }
  table.index();  // refuses what occurs twice
  byte_ids_.fill(-1);
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    if (table.types[i] == TokenType::byte) {
      byte_ids_[static_cast<unsigned char>(pieces_[i][0])] = id;
    } else if (!pieces_[i].empty()) {
      ids_.emplace(table.texts[i], id);
    }
  }
}

void SentencePieces::append_bytes(std::string_view symbol, std::vector<int32_t>& ids) const {
  for (const char c : symbol) {
    int32_t id = byte_ids_[static_cast<unsigned char>(c)];
    if (id < 0) {
      const auto alone = ids_.find(std::string_view(&c, 1));
      id = alone != ids_.end() ? alone->second : unknown_.value_or(-1);
    }
    if (id < 0) {
      throw InputError(
          fmt::format("the vocabulary has no token for byte 0x{:02x} of the text, nor one for what is unknown: leave "
                      "it out",
                      static_cast<unsigned char>(c)));
    }
    ids.push_back(id);
  }
}

void SentencePieces::encode(std::string_view part, bool begins, std::vector<int32_t>& ids) const {
  std::string text(adds_space_ && begins ? kBlank : "");
  text += replaced(part, " ", kBlank);
  // A symbol is known by its first byte: its length, and where the one before it begins.
  std::vector<size_t> length(text.size());
  std::vector<size_t> previous(text.size());
  std::vector<int32_t> token(text.size(), -1);
  std::priority_queue<Candidate> candidates;
  const auto consider = [&](size_t left) {
    const size_t right = left + length[left];
    if (right >= text.size()) {
      return;
    }
    const size_t bytes = length[left] + length[right];
    if (const auto found = ids_.find(std::string_view(text).substr(left, bytes)); found != ids_.end()) {
      candidates.push({scores_[static_cast<size_t>(found->second)], left, bytes, found->second});
    }
  };
  size_t before = 0;
  for (size_t at = 0; at < text.size(); at += length[at]) {
    const std::string_view rest = std::string_view(text).substr(at);
    length[at] = std::max<size_t>(first_character(rest).length, 1);
    previous[at] = before;
    before = at;
    if (const auto found = ids_.find(rest.substr(0, length[at])); found != ids_.end()) {
      token[at] = found->second;
    }
  }
  for (size_t at = 0; at < text.size(); at += length[at]) {
    consider(at);
  }
  while (!candidates.empty()) {
    const Candidate c = candidates.top();
    candidates.pop();
    // Joins beside it may have changed the pair since it became a candidate; one that was joined into another has no length.
    if (length[c.left] == 0 || length[c.left] >= c.bytes ||
        length[c.left] + length[c.left + length[c.left]] != c.bytes) {
      continue;
    }
    length[c.left + length[c.left]] = 0;
    length[c.left] = c.bytes;
    token[c.left] = c.token;
    if (const size_t next = c.left + c.bytes; next < text.size()) {
      previous[next] = c.left;
    }
    consider(c.left);
    if (c.left > 0) {
      consider(previous[c.left]);
    }
  }
  for (size_t at = 0; at < text.size(); at += length[at]) {
    if (token[at] >= 0) {
      ids.push_back(token[at]);
    } else {
      append_bytes(std::string_view(text).substr(at, length[at]), ids);
    }
  }
}

}  // namespace assay
