#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runner/gguf.h"

namespace assay {

/// How the models of a family were trained to read a conversation. In the template's own texts "{bos}" and "{eos}" stand for the tokens
/// that begin and end a text, by the model's file.
struct ChatTemplate {
  std::string name;
  std::vector<std::string> marks = {};     ///< what a file's template has if it is this one: all of them
  std::vector<std::string> never = {};     ///< and none of these
  std::vector<std::string> specials = {};  ///< the tokens that it is made of
  std::vector<std::string> stops = {};     ///< what ends an answer where no token does
  std::string start = "";                  ///< before all else, if there is no system text
  std::string system_open = "", system_close = "";
  bool has_system = true;
  bool system_in_turn = false;  ///< the system text stands in the first question
  std::string user_open;
  std::string user_close;        ///< up to where the answer begins
  std::string answer_open = "";  ///< what a model begins its answer with by itself
  std::string answer_close;
  bool trims = false;               ///< texts lose the white space around them
  std::string default_system = "";  ///< of a file: the system text if there is no other
  bool drops_thoughts = false;      ///< of a file: only what follows </think> of an answer stays in the conversation
};

std::span<const ChatTemplate> chat_templates();
/// Of all of them, with commas between.
std::string chat_template_names();

/// Throws InputError that lists the names.
const ChatTemplate& find_chat_template(std::string_view name);

/// The template of chat_templates() that a file's template is, by its marks: the strings that no other of them has. Nothing is known of
/// one that has the marks of none, or of several.
std::optional<ChatTemplate> recognise_chat_template(std::string_view text);

/// The one named `name`, or that of the file if the name is empty. Throws InputError that lists the names for a file without a template,
/// or with one that is not recognised.
ChatTemplate chat_template_of(const GgufFile& file, std::string_view name);

}  // namespace assay
