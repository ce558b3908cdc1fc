#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runner/prefix_table.h"
#include "runner/text_encoder.h"

namespace assay {

/// What alpaca.cpp and KoAlpaca.cpp made of a vocabulary of sentence pieces without scores (llama_tokenize of their utils.cpp): at each
/// place of the text the longest token that it goes on with, of tokens with one text that of the highest ID; no space before a text. The
/// model saw other tokens in training. The time is linear in the bytes.
class LongestMatch : public TextEncoder {
 public:
  /// Throws InputError for tokens longer than kLongestSearched, and what piece_texts refuses.
  explicit LongestMatch(const TokenTable& table);

  const std::vector<std::string>& pieces() const override { return pieces_; }
  /// Throws InputError where no token goes on: those programs drop the rest of the text there and say nothing.
  void encode(std::string_view text, bool begins, std::vector<int32_t>& ids) const override;

 private:
  std::vector<std::string> pieces_;
  PrefixTable table_;
};

}  // namespace assay
