#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runner/chat_template.h"
#include "runner/tokenizer.h"

namespace assay {

enum class ChatRole { system, user, assistant };

struct ChatMessage {
  ChatRole role;
  std::string text;
};

/// A part of a conversation as a model reads it.
struct ChatPiece {
  bool is_template;  ///< what is written in it as a special token is that token; else it is somebody's text
  std::string text;
};

/// A whole conversation: at most one system text at the beginning, then questions and answers in turn. After a question it ends where the
/// answer is to begin. Throws InputError for another order, and for a system text where the template has none.
std::vector<ChatPiece> chat_pieces(const ChatTemplate& form, std::span<const ChatMessage> messages);

/// The tokens of pieces: those of their joined text, save that nobody's text becomes a control token.
std::vector<int32_t> chat_tokens(const Tokenizer& tokenizer, std::span<const ChatPiece> pieces);

/// A conversation in tokens. What was asked and answered stays as it is: each turn only adds tokens.
class Conversation {
 public:
  /// `tokenizer` must outlive it. `system`: the system text; none: the template's. Throws InputError where the template has none.
  Conversation(const Tokenizer& tokenizer, ChatTemplate form, std::optional<std::string> system);

  /// All that the model is to have read before it answers the question.
  const std::vector<int32_t>& ask(std::string_view question);
  /// The question was not answered: forgets it.
  void take_back() { tokens_.resize(asked_); }
  /// The answer, as the model gave it.
  void answer(std::span<const int32_t> tokens);
  /// An answer of which only the part `kept` stays, which the model has to read anew.
  void answer(std::span<const int32_t> tokens, std::string_view kept);

  /// What the template keeps of an answer: all of it, or what follows its thoughts.
  std::string_view kept_of(std::string_view answer) const;

  const std::vector<int32_t>& tokens() const { return tokens_; }

 private:
  const Tokenizer* tokenizer_;
  ChatTemplate form_;
  std::optional<std::string> system_;
  std::vector<int32_t> tokens_;
  size_t asked_ = 0;  ///< tokens before the last question
};

}  // namespace assay
