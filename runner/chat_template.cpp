#include "runner/chat_template.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

std::vector<std::string_view> names() {
  std::vector<std::string_view> all;
  for (const ChatTemplate& form : chat_templates()) {
    all.push_back(form.name);
  }
  return all;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string all;
  for (size_t at = 0; (at = text.find(from)) != std::string_view::npos;) {
    all.append(text.substr(0, at)).append(to);
    text.remove_prefix(at + from.size());
  }
  return all.append(text);
}

/// What a template joins, without the ways to write it.
std::string joined(std::string text) {
  text = replaced(std::move(text), "\\n", "");
  std::erase_if(text, [](char c) { return std::string_view(" \t\r\n'\"+").find(c) != std::string_view::npos; });
  return text;
}

/// The system text that a template of the family chatml writes out for a conversation that has none; "" if there is none.
std::string default_system_of(std::string_view text, const ChatTemplate& form) {
  const std::string unescaped = replaced(std::string(text), "\\n", "\n");
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

const ChatTemplate& find_chat_template(std::string_view name) {
  for (const ChatTemplate& form : chat_templates()) {
    if (form.name == name) {
      return form;
    }
  }
  throw InputError(
      fmt::format("--chat-template: {} is no template; they are: {}", quote(name), fmt::join(names(), ", ")));
}

std::optional<ChatTemplate> recognise_chat_template(std::string_view text) {
  const std::string without_writing = joined(std::string(text));
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
        fmt::join(names(), ", ")));
  }
  return *found;
}

}  // namespace assay
