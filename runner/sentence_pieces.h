#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runner/text_encoder.h"

namespace assay {

/// What each token stands for in a vocabulary of sentence pieces: U+2581 is a blank, <0x0A> of the type of bytes the byte, a control token
/// and the unknown one nothing. Throws InputError for a token of the type of bytes that is not written as one.
std::vector<std::string> piece_texts(const TokenTable& table);

/// SentencePiece's byte-pair encoding (Kudo and Richardson 2018) as llama.cpp does it: of all neighbours whose joint text is a token those
/// of the highest score are joined first, of equal ones the leftmost; what is no token then becomes its bytes. Blanks are written
/// as U+2581. As in SentencePiece, and other than in llama.cpp, no text is joined to a control token, the unknown one or one of the type of
/// bytes. The time is O(n log n) in the bytes.
class SentencePieces : public TextEncoder {
 public:
  /// Throws InputError for scores that are missing or no numbers, and a vocabulary with duplicates.
  SentencePieces(const GgufFile& file, const TokenTable& table, std::optional<int32_t> unknown);

  const std::vector<std::string>& pieces() const override { return pieces_; }
  /// Throws InputError for a byte that the vocabulary has no token for.
  void encode(std::string_view text, bool begins, std::vector<int32_t>& ids) const override;

 private:
  void append_bytes(std::string_view symbol, std::vector<int32_t>& ids) const;

  bool adds_space_;
  std::vector<std::string> pieces_;  ///< by token
  std::vector<float> scores_;
  TokenIds ids_;  ///< of what text is joined to
  std::array<int32_t, 256> byte_ids_{};
  std::optional<int32_t> unknown_;
};

}  // namespace assay
