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

/// SentencePiece's byte-pair encoding (Kudo and Richardson 2018) as llama.cpp does it: of all neighbours whose joint text is a token those
/// of the highest score are joined first, of equal ones the leftmost; what is no token then becomes its bytes. Blanks are written
/// as U+2581. The time is O(n log n) in the bytes.
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
  TokenIds ids_;
  std::array<int32_t, 256> byte_ids_{};
  std::optional<int32_t> unknown_;
};

}  // namespace assay
