#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/cli/command_texts.h"

namespace assay {
namespace {

/// Text as it stands in a line of man(7): no character of it is a request.
std::string roff(const std::string& text) {
  std::string out = text.starts_with('.') || text.starts_with('\'') ? "\\&" : "";
  for (const char c : text) {
    out += c == '\\' ? "\\e" : c == '-' ? "\\-" : c == '\'' ? "\\(aq" : c == '`' ? "\\(ga" : std::string(1, c);
  }
  return out;
}

/// "\fB-m\fR, \fB--model\fR \fITEXT\fR"
std::string names_of(const OptionText& option) {
  std::string text;
  for (const auto& name : option.names) {
    text += fmt::format("{}\\f{}{}\\fR", text.empty() ? "" : ", ", option.operand ? "I" : "B", roff(name));
  }
  return option.value.empty() || option.operand ? text : fmt::format("{} \\fI{}\\fR", text, roff(option.value));
}

std::string option_text(const OptionText& option) {
  std::string notes;
  const auto note = [&](const std::string& text) { notes += fmt::format("{}{}", notes.empty() ? "" : "; ", text); };
  if (option.required) {
    note("required");
  }
  if (!option.values.empty() && option.values.size() <= 12) {
    note(fmt::format("one of {}", fmt::join(option.values, ", ")));
  }
  if (!option.limits.empty()) {
    note(option.limits);
  }
  if (!option.by_default.empty()) {
    note(fmt::format("default: {}", option.by_default));
  }
  const std::string text = option.description + (notes.empty() ? "" : fmt::format(" ({})", notes));
  return fmt::format(".TP\n{}\n{}\n", names_of(option), roff(text));
}

}  // namespace

std::string man_page(const CLI::App& app) {
  const auto commands = command_texts(app);
  std::string text = fmt::format(
      ".\\\" Made by `assay describe man` from the program's own help.\n"
      ".TH ASSAY 1 \"\" \"assay {}\" \"User Commands\"\n.ad l\n"
      ".SH NAME\nassay \\- {}\n"
      ".SH SYNOPSIS\n\\fBassay\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]...\n.br\n"
      "\\fBassay\\fR [\\fICOMMAND\\fR] \\fB\\-\\-help\\fR\n.br\n\\fBassay\\fR \\fB\\-\\-version\\fR\n"
      ".SH COMMANDS\n",
      roff(ASSAY_VERSION), roff(purpose_of(app)));
  for (const CommandText& command : commands) {
    text += fmt::format(".SS assay {}\n{}\n", roff(command.name), roff(command.description));
    for (const OptionText& option : command.options) {
      text += option_text(option);
    }
  }
  return text +
         ".SH EXIT STATUS\n"
         ".TP\n\\fB0\\fR\ngood\n.TP\n\\fB1\\fR\na verdict failed\n.TP\n\\fB2\\fR\nwrong usage or input\n"
         ".TP\n\\fB3\\fR\nthis machine cannot do it\n.TP\n\\fB70\\fR\na defect of assay\n"
         ".SH ENVIRONMENT\n"
         ".TP\n\\fBASSAY_FORCE\\fR\nas \\fB\\-\\-force\\fR of the commands that run a model\n"
         ".TP\n\\fBXDG_CACHE_HOME\\fR\nwhere the profile lies, in assay/profile.json; without it ~/.cache\n"
         ".TP\n\\fBCC\\fR, \\fBCXX\\fR\nthe compilers of \\fBassay try\\fR\n";
}

}  // namespace assay
