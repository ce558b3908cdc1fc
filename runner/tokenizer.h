#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runner/gguf.h"

namespace assay {

/// The pieces that GPT-2 encodes one by one: contractions, words, numbers, other characters and
/// white space, the former four with the space before them. The pieces are views of `text` and
/// cover it. Any bytes are taken: those that are not UTF-8 form pieces of their own.
std::vector<std::string_view> gpt2_pieces(std::string_view text);

/// GPT-2's byte-level byte-pair encoding (Radford et al. 2019, section 2.2) with the vocabulary and
/// the merges of a model file. Every string of bytes can be encoded, and decodes to the same bytes.
/// Special tokens such as <|endoftext|> are not recognised in text. Methods may run concurrently.
class Tokenizer {
 public:
  /// Reads `tokenizer.ggml.{model,pre,tokens,token_type,merges,add_bos_token,add_eos_token}` and every
  /// `tokenizer.ggml.*_token_id`. Throws InputError for a tokenizer that is not GPT-2's, a vocabulary with duplicates or
  /// without a token for each byte, merges that repeat or that name unknown or control tokens, no merges where
  /// there are longer tokens, and IDs outside the vocabulary.
  explicit Tokenizer(const GgufFile& file);

  /// Token IDs of `text`; the time is O(n log n) in its bytes.
  std::vector<int32_t> encode(std::string_view text) const;

  /// What the model is to continue: `text`, after the token that begins a text and before the one that ends it where the
  /// file says that they are added.
  std::vector<int32_t> encode_prompt(std::string_view text) const;

  /// The bytes of a token, not always whole characters; none for a control token. Throws InputError
  /// for an ID outside [0, size()).
  const std::string& decode_piece(int32_t id) const;

  /// The token that ends a text, if the file names one.
  std::optional<int32_t> eos() const { return eos_; }
  /// Whether the model says with this token that it is done: by that one, or by one that ends a turn or a message.
  bool ends(int32_t id) const { return ends_.contains(id); }

  size_t size() const { return pieces_.size(); }

 private:
  struct Merge {
    uint64_t pair;  ///< left token << 32 | right token
    int32_t rank;   ///< lower merges first
    int32_t result;
  };
  struct Scratch;
  using TokenIds = std::unordered_map<std::string_view, int32_t>;

  void read_special_tokens(const GgufFile& file);
  void read_tokens(const GgufFile& file);
  void refuse_longer_tokens(const GgufFile& file) const;
  void read_merges(const GgufFile& file, const TokenIds& ids);
  const Merge* find_merge(int32_t left, int32_t right) const;
  void encode_piece(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const;

  std::vector<std::string> pieces_;  ///< by token: its bytes, none for a control token or an empty one
  std::array<int32_t, 256> byte_ids_{};
  std::vector<Merge> merges_;  ///< in the order of `pair`
  std::optional<int32_t> eos_;
  std::set<int32_t> ends_;
  std::optional<int32_t> before_, after_;  ///< what a prompt stands between
};

}  // namespace assay
