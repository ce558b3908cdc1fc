// Completion for shells, made from the command line itself so that it cannot go stale.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/cli/command_texts.h"

namespace assay {
namespace {

std::string escaped(const std::string& text, std::string_view what, const std::string& before) {
  std::string out;
  for (const char c : text) {
    out += what.find(c) == std::string_view::npos ? std::string(1, c) : before + c;
  }
  return out;
}

/// Between single quotes: of bash and zsh, which end them to have one; of fish, which escapes it.
std::string quoted(const std::string& text) { return fmt::format("'{}'", escaped(text, "'", "'\\'")); }
std::string quoted_for_fish(const std::string& text) { return fmt::format("'{}'", escaped(text, "'\\", "\\")); }

std::vector<std::string> names_of_options(const CommandText& command) {
  std::vector<std::string> names;
  for (const auto& option : command.options) {
    if (!option.operand) {
      names.insert(names.end(), option.names.begin(), option.names.end());
    }
  }
  return names;
}

std::string for_bash(const std::vector<CommandText>& commands) {
  std::vector<std::string> names;
  std::string cases;
  for (const CommandText& command : commands) {
    names.push_back(command.name);
    std::string values;
    std::vector<std::string> operands;
    std::vector<std::string> others;  // whose values are files, or not known
    for (const OptionText& option : command.options) {
      if (option.operand) {
        operands.insert(operands.end(), option.values.begin(), option.values.end());
      } else if (!option.values.empty()) {
        values +=
            fmt::format("        {}) values='{}' ;;\n", fmt::join(option.names, "|"), fmt::join(option.values, " "));
      } else if (!option.value.empty()) {
        others.insert(others.end(), option.names.begin(), option.names.end());
      }
    }
    if (!others.empty()) {
      values += fmt::format("        {}) return ;;\n", fmt::join(others, "|"));
    }
    cases += fmt::format("    {})\n      options='{}' values='{}'\n      case $before in\n{}      esac ;;\n",
                         command.name, fmt::join(names_of_options(command), " "), fmt::join(operands, " "), values);
  }
  // Where nothing is offered, bash completes the names of files.
  return fmt::format(R"(# Completion of assay for bash, made by `assay describe bash`.
_assay() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}} options= values=
  COMPREPLY=()
  # --option=value is three words here.
  if [[ $word == = ]]; then word=; elif [[ $before == = ]]; then before=${{COMP_WORDS[COMP_CWORD - 2]}}; fi
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W '{} --help --version' -- "$word")
    return
  fi
  case ${{COMP_WORDS[1]}} in
{}  esac
  [[ $word != -* ]] || values=$options
  mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
}}
complete -o bashdefault -o default -F _assay assay
)",
                     fmt::join(names, " "), cases);
}

/// One argument of zsh's _arguments: "--name=[what it is]:TEXT:(these values)".
std::string zsh_argument(const OptionText& option, const std::string& name) {
  std::string text;
  if (!option.operand) {
    text = fmt::format("{}{}[{}]", name, name.starts_with("--") && !option.value.empty() ? "=" : "",
                       escaped(option.description, "[]:\\", "\\"));
  }
  if (!option.value.empty()) {
    text += fmt::format(":{}:{}", escaped(option.operand ? name : option.value, ":", "\\"),
                        !option.values.empty()   ? fmt::format("({})", fmt::join(option.values, " "))
                        : option.value == "TEXT" ? "_files"
                                                 : " ");
  }
  return text;
}

std::string for_zsh(const std::vector<CommandText>& commands) {
  std::string names;
  std::string cases;
  for (const CommandText& command : commands) {
    names += fmt::format("      {}\n", quoted(fmt::format("{}:{}", command.name, command.description)));
    cases += fmt::format("    {})\n      _arguments", command.name);
    for (const OptionText& option : command.options) {
      for (const std::string& name : option.names) {
        cases += fmt::format(" \\\n        {}", quoted(zsh_argument(option, name)));
      }
    }
    cases += " ;;\n";
  }
  return fmt::format(R"(#compdef assay
# Completion of assay for zsh, made by `assay describe zsh`.
_assay() {{
  if (( CURRENT == 2 )); then
    local -a commands=(
{}    )
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT -= 1 ))
  case $command in
{}  esac
}}
if [[ $funcstack[1] == _assay ]]; then _assay "$@"; else compdef _assay assay; fi
)",
                     names, cases);
}

std::string for_fish(const std::vector<CommandText>& commands) {
  std::string text = "# Completion of assay for fish, made by `assay describe fish`.\n";
  for (const CommandText& command : commands) {
    text += fmt::format("complete -c assay -f -n __fish_use_subcommand -a {} -d {}\n", command.name,
                        quoted_for_fish(command.description));
    for (const OptionText& option : command.options) {
      std::string line = fmt::format("complete -c assay -n '__fish_seen_subcommand_from {}'", command.name);
      for (const std::string& name : option.operand ? std::vector<std::string>() : option.names) {
        line += name.starts_with("--") ? fmt::format(" -l {}", name.substr(2)) : fmt::format(" -s {}", name.substr(1));
      }
      if (!option.values.empty()) {
        line += fmt::format(" {} -a '{}'", option.operand ? "-f" : "-x", fmt::join(option.values, " "));
      } else if (!option.value.empty()) {
        line += option.operand ? " -F" : " -r -F";
      }
      text += fmt::format("{} -d {}\n", line, quoted_for_fish(option.description));
    }
  }
  return text;
}

}  // namespace

std::string completion(const CLI::App& app, const std::string& shell) {
  const auto commands = command_texts(app);
  return shell == "bash" ? for_bash(commands) : shell == "zsh" ? for_zsh(commands) : for_fish(commands);
}

}  // namespace assay
