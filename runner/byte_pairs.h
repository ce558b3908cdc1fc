#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runner/pieces.h"
#include "runner/text_encoder.h"

namespace assay {

/// GPT-2's byte-level byte-pair encoding (Radford et al. 2019, section 2.2), with the pieces of a model's own pre-tokenizer. What is
/// encoded decodes to the same bytes; the time is O(n log n) in them.
class BytePairs : public TextEncoder {
 public:
  /// Throws InputError for a pre-tokenizer that nothing is known of, a vocabulary with duplicates or without a token for each byte of
  /// printable ASCII and the newline, merges that repeat or that name unknown or control tokens, and no merges where there are longer tokens.
  BytePairs(const GgufFile& file, const TokenTable& table);

  const std::vector<std::string>& pieces() const override { return pieces_; }
  /// Throws InputError for a byte that the vocabulary has no token for.
  void encode(std::string_view text, bool begins, std::vector<int32_t>& ids) const override;

  const PreTokenizer& pre() const { return *pre_; }

 private:
  struct Merge {
    uint64_t pair;  ///< left token << 32 | right token
    int32_t rank;   ///< lower merges first
    int32_t result;
  };
  struct Scratch;

  void read_tokens(const TokenTable& table);
  void refuse_longer_tokens(const TokenTable& table) const;
  void read_merges(const GgufFile& file, const TokenTable& table);
  const Merge* find_merge(int32_t left, int32_t right) const;
  void encode_piece(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const;

  const PreTokenizer* pre_;
  std::vector<std::string> pieces_;  ///< by token
  std::array<int32_t, 256> byte_ids_{};
  std::vector<Merge> merges_;  ///< in the order of `pair`
  TokenIds whole_;             ///< pieces that are tokens; empty unless merges are ignored for them
};

}  // namespace assay
