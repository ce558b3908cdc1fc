#include "runner/chat_template.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

/// What a template joins, without the ways to write it.
std::string joined(std::string_view written) {
  std::string text = replaced(written, "\\n", "");
  std::erase_if(text, [](char c) { return std::string_view(" \t\r\n'\"+").find(c) != std::string_view::npos; });
  return text;
}

/// The system text that a template of the family chatml writes out for a conversation that has none; "" if there is none.
std::string default_system_of(std::string_view text, const ChatTemplate& form) {
  const std::string unescaped = replaced(text, "\\n", "\n");
  const std::string open = "<|im_start|>system\n";
  for (size_t at = 0; form.name == "chatml" && (at = unescaped.find(open, at)) != std::string::npos;) {
    at += open.size();
    const std::string rest = unescaped.substr(at, unescaped.find("<|im_end|>", at) - at);
    // A quotation mark ends the literal: what follows is put together.
    if (!rest.empty() && rest.find_first_of("'\"{") == std::string::npos) {
      return rest;
    }
  }
  return "";
}

}  // namespace

std::string chat_template_names() {
  std::string all;
  for (const ChatTemplate& form : chat_templates()) {
    all += all.empty() ? "" : ", ";
    all += form.name;
  }
  return all;
}

const ChatTemplate& find_chat_template(std::string_view name) {
  for (const ChatTemplate& form : chat_templates()) {
    if (form.name == name) {
      return form;
    }
  }
  throw InputError(fmt::format("--chat-template: {} is no template; they are: {}", quote(name), chat_template_names()));
}

std::optional<ChatTemplate> recognise_chat_template(std::string_view text) {
  const std::string without_writing = joined(text);
  const auto has = [&](const std::string& mark) {
    return text.find(mark) != std::string_view::npos || without_writing.find(mark) != std::string::npos;
  };
  std::optional<ChatTemplate> found;
  for (const ChatTemplate& form : chat_templates()) {
    if (form.marks.empty() || !std::ranges::all_of(form.marks, has) || std::ranges::any_of(form.never, has)) {
      continue;
    }
    if (found) {
      return std::nullopt;
    }
    found = form;
  }
  if (found) {
    found->default_system = default_system_of(text, *found);
    found->drops_thoughts = text.find("</think>") != std::string_view::npos;
  }
  return found;
}

ChatTemplate chat_template_of(const GgufFile& file, std::string_view name) {
  if (!name.empty()) {
    return find_chat_template(name);
  }
  const std::string* text = file.find_string("tokenizer.chat_template");
  const auto found = text == nullptr ? std::nullopt : recognise_chat_template(*text);
  if (!found) {
    throw InputError(fmt::format(
        "{}: {}; name the one that the model was trained with by --chat-template NAME: {}", file.path(),
        text == nullptr ? "no tokenizer.chat_template" : "its tokenizer.chat_template is none of those known",
        chat_template_names()));
  }
  return *found;
}

}  // namespace assay
