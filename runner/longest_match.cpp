#include "runner/longest_match.h"

#include <fmt/format.h>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"
#include "runner/sentence_pieces.h"

namespace assay {
namespace {

/// What the files of those programs call the unknown token, as SentencePiece writes it.
constexpr const char* kUnknownSurface = " \u2047 ";

PrefixTable table_of_pieces(const TokenTable& table, const std::vector<std::string>& pieces) {
  std::vector<PrefixTable::Entry> entries;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].size() > kLongestSearched) {
      throw InputError(
          fmt::format("{}: token {}, {}, has {} bytes, over the limit of {} for --tokenizer longest-match; {}",
                      table.file, i, quote(pieces[i]), pieces[i].size(), kLongestSearched, kReconvert));
    }
    entries.push_back({table.types[i] == TokenType::unknown ? kUnknownSurface : pieces[i], static_cast<int32_t>(i)});
  }
  return PrefixTable(std::move(entries));
}

}  // namespace

LongestMatch::LongestMatch(const TokenTable& table)
    : pieces_(piece_texts(table)), table_(table_of_pieces(table, pieces_)) {}

void LongestMatch::encode(std::string_view text, bool /*begins*/, std::vector<int32_t>& ids) const {
  for (size_t at = 0; at < text.size();) {
    const int32_t entry = table_.longest(text.substr(at));
    if (entry < 0) {
      throw InputError(
          fmt::format("the vocabulary has no token that goes on with byte {} of the text, {}: leave it out, or take "
                      "--tokenizer sentence-pieces",
                      at, quote(text.substr(at, 16))));
    }
    ids.push_back(table_[entry].value);
    at += table_[entry].text.size();
  }
}

}  // namespace assay
