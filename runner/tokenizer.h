#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runner/special_tokens.h"
#include "runner/text_encoder.h"

namespace assay {

/// Tokens that keys of a file name, by the key: tokenizer.ggml.eos_token_id and so on.
using SpecialIds = std::map<std::string, int32_t>;

/// What to do with a vocabulary of sentence pieces: as SentencePieces has it, or LongestMatch.
enum class PieceRule { sentence_pieces, longest_match };

/// Text to tokens and back, as a model file says: byte pairs (tokenizer.ggml.model gpt2) or sentence pieces (llama). Methods may run
/// concurrently.
class Tokenizer {
 public:
  /// Reads `tokenizer.ggml.{model,pre,tokens,token_type,scores,merges,add_bos_token,add_eos_token,add_space_prefix}` and every
  /// `tokenizer.ggml.*_token_id`. `rule`: none for the file's own. Throws InputError for another tokenizer, what BytePairs, SentencePieces
  /// and LongestMatch refuse, IDs outside the vocabulary, special tokens over kLongestSearched, and a rule for byte pairs.
  explicit Tokenizer(const GgufFile& file, std::optional<PieceRule> rule = std::nullopt);

  /// Token IDs of the parts together, as of one text. Tokens that were added for what texts say (of the type user_defined) are found
  /// everywhere, but for those that end an answer or are written <|like this|>; control tokens are found where a text is marked.
  std::vector<int32_t> encode(std::span<const TextPart> parts) const;

  /// Of a text in which nothing is marked: control tokens are text like any other.
  std::vector<int32_t> encode(std::string_view text) const;

  /// Of a text that is marked: what is written in it as a special token is that token.
  std::vector<int32_t> encode_marked(std::string_view text) const;

  /// What the model is to continue: `text`, marked, after the token that begins a text and before the one that ends it where the file
  /// says that they are added.
  std::vector<int32_t> encode_prompt(std::string_view text) const;

  /// The same where nothing in `text` is marked.
  std::vector<int32_t> encode_text(std::string_view text) const;

  /// The token that begins a text, if the file says that it is added.
  std::optional<int32_t> begins() const { return before_; }

  /// The bytes of a token, not always whole characters; none for a control token. Throws InputError
  /// for an ID outside [0, size()).
  const std::string& decode_piece(int32_t id) const;

  /// The token that ends a text, if the file names one.
  std::optional<int32_t> eos() const { return eos_; }
  /// Whether the model says with this token that it is done: by that one, or by one that ends a turn or a message.
  bool ends(int32_t id) const { return ends_.contains(id); }

  /// Whether the rule is PieceRule::longest_match.
  bool takes_longest() const { return takes_longest_; }

  size_t size() const { return encoder_->pieces().size(); }

 private:
  std::vector<int32_t> as_whole_text(std::vector<int32_t> ids) const;
  void read_special_tokens(const GgufFile& file, const TokenTable& table, const SpecialIds& ids, bool begins_texts);

  std::unique_ptr<TextEncoder> encoder_;
  bool takes_longest_ = false;
  SpecialTokens special_;
  std::set<int32_t> strips_;  ///< the white space behind them is no part of the text
  std::optional<int32_t> eos_;
  std::set<int32_t> ends_;
  std::optional<int32_t> before_, after_;  ///< what a prompt stands between
};

/// Text that comes piece by piece, for a terminal: whole characters.
class TextStream {
 public:
  /// What can be shown once `piece` is there; an unfinished character at the end waits.
  std::string add(std::string_view piece);
  /// What is left: U+FFFD for a character that nothing finished.
  std::string finish();

 private:
  std::string kept_;
};

}  // namespace assay
