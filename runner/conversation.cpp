#include "runner/conversation.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/runtime/error.h"

namespace assay {
namespace {

constexpr std::string_view kBos = "{bos}";
constexpr std::string_view kEos = "{eos}";

std::string trimmed(std::string_view text) {
  constexpr std::string_view kWhite = " \t\n\v\f\r";
  const size_t begin = text.find_first_not_of(kWhite);
  return begin == std::string_view::npos ? ""
                                         : std::string(text.substr(begin, text.find_last_not_of(kWhite) + 1 - begin));
}

ChatPiece text_piece(const ChatTemplate& form, std::string_view text) {
  return {false, form.trims ? trimmed(text) : std::string(text)};
}

/// What stands before the first question; where the system text belongs into that, only what stands before it.
void add_beginning(const ChatTemplate& form, const std::string* system, std::vector<ChatPiece>& out) {
  out.push_back({true, std::string(kBos)});
  if (system == nullptr) {
    out.push_back({true, form.start});
  } else if (!form.has_system) {
    throw InputError(fmt::format("chat template {} has no place for a system text: leave it out", form.name));
  } else if (!form.system_in_turn) {
    out.push_back({true, form.system_open});
    out.push_back(text_piece(form, *system));
    out.push_back({true, form.system_close});
  }
}

/// `system`: what belongs into the question, nullptr for none.
void add_question(const ChatTemplate& form, const std::string* system, std::string_view text,
                  std::vector<ChatPiece>& out) {
  out.push_back({true, form.user_open});
  if (system != nullptr && form.system_in_turn) {
    out.push_back({true, form.system_open});
    out.push_back({false, *system});
    out.push_back({true, form.system_close});
  }
  out.push_back(text_piece(form, text));
  out.push_back({true, form.user_close});
}

}  // namespace

std::vector<ChatPiece> chat_pieces(const ChatTemplate& form, std::span<const ChatMessage> messages) {
  const bool has_system = !messages.empty() && messages[0].role == ChatRole::system;
  const std::string* system = has_system ? &messages[0].text : nullptr;
  std::vector<ChatPiece> pieces;
  add_beginning(form, system, pieces);
  const std::span<const ChatMessage> turns = messages.subspan(has_system ? 1 : 0);
  for (size_t i = 0; i < turns.size(); ++i) {
    const ChatRole wanted = i % 2 == 0 ? ChatRole::user : ChatRole::assistant;
    if (turns[i].role != wanted) {
      throw InputError(fmt::format(
          "message {} of the conversation is out of turn: after a system text questions and answers alternate",
          i + (has_system ? 1 : 0)));
    }
    if (wanted == ChatRole::user) {
      add_question(form, i == 0 ? system : nullptr, turns[i].text, pieces);
    } else {
      pieces.push_back({true, form.answer_open});
      pieces.push_back(text_piece(form, turns[i].text));
      pieces.push_back({true, form.answer_close});
    }
  }
  return pieces;
}

std::vector<int32_t> chat_tokens(const Tokenizer& tokenizer, std::span<const ChatPiece> pieces) {
  std::vector<int32_t> ids;
  std::vector<TextPart> between;  // two of {bos} and {eos}
  const auto encode_between = [&] {
    const std::vector<int32_t> more = tokenizer.encode(between);
    ids.insert(ids.end(), more.begin(), more.end());
    between.clear();
  };
  for (const ChatPiece& piece : pieces) {
    std::string_view rest = piece.text;
    while (piece.is_template) {
      const size_t at = std::min(rest.find(kBos), rest.find(kEos));
      if (at == std::string_view::npos) {
        break;
      }
      between.push_back({rest.substr(0, at), true});
      encode_between();
      const bool begins = rest.substr(at).starts_with(kBos);
      if (const auto token = begins ? tokenizer.begins() : tokenizer.eos()) {
        ids.push_back(*token);
      }
      rest.remove_prefix(at + (begins ? kBos : kEos).size());
    }
    between.push_back({rest, piece.is_template});
  }
  encode_between();
  return ids;
}

Conversation::Conversation(const Tokenizer& tokenizer, ChatTemplate form, std::optional<std::string> system)
    : tokenizer_(&tokenizer), form_(std::move(form)), system_(std::move(system)) {
  if (!system_ && !form_.default_system.empty()) {
    system_ = form_.default_system;
  }
  if (system_ && !form_.has_system) {
    throw InputError(fmt::format("chat template {} has no place for --system: leave it out", form_.name));
  }
  if (form_.name == "koalpaca.cpp" && tokenizer.takes_longest()) {
    form_.start = fmt::format(" {}", form_.start);  // as it writes it: sentence pieces bring the space by themselves
  }
}

const std::vector<int32_t>& Conversation::ask(std::string_view question) {
  const std::string* system = tokens_.empty() && system_ ? &*system_ : nullptr;
  std::vector<ChatPiece> pieces;
  if (tokens_.empty()) {
    add_beginning(form_, system, pieces);
  } else {
    pieces.push_back({true, form_.answer_close});
  }
  add_question(form_, system, question, pieces);
  asked_ = tokens_.size();
  const std::vector<int32_t> more = chat_tokens(*tokenizer_, pieces);
  tokens_.insert(tokens_.end(), more.begin(), more.end());
  return tokens_;
}

void Conversation::answer(std::span<const int32_t> tokens) {
  tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
}

void Conversation::answer(std::span<const int32_t> tokens, std::string_view kept) {
  std::string all;
  for (const int32_t token : tokens) {
    all += tokenizer_->decode_piece(token);
  }
  const size_t begin = all.find(kept);
  if (begin == std::string::npos) {  // bytes that are no character are shown as U+FFFD
    answer(tokenizer_->encode(kept));
    return;
  }
  // The tokens as they were, but for one that lies across an edge.
  const size_t end = begin + kept.size();
  size_t at = 0;
  for (const int32_t token : tokens) {
    const size_t next = at + tokenizer_->decode_piece(token).size();
    const size_t from = std::max(at, begin);
    const size_t to = std::min(next, end);
    if (from == at && to == next) {
      tokens_.push_back(token);
    } else if (from < to) {
      answer(tokenizer_->encode(std::string_view(all).substr(from, to - from)));
    }
    at = next;
  }
}

std::string_view Conversation::kept_of(std::string_view answer) const {
  constexpr std::string_view kThought = "</think>";
  const size_t thought = form_.drops_thoughts ? answer.rfind(kThought) : std::string_view::npos;
  if (thought == std::string_view::npos) {
    return answer;
  }
  answer.remove_prefix(thought + kThought.size());
  return answer.substr(std::min(answer.find_first_not_of('\n'), answer.size()));
}

}  // namespace assay
