#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace assay {

/// An option or an operand of a command, as its help has it.
struct OptionText {
  std::vector<std::string> names;   ///< "-m", "--model"; of an operand "FILE" alone
  std::string value;                ///< what its value is: "TEXT", "FLOAT"; "" if it takes none
  std::string limits;               ///< of the value: "in [1 - 1000]"; "" if there are none
  std::vector<std::string> values;  ///< all that it can be, where those are few
  std::string description, by_default;
  bool operand = false, required = false;
};

struct CommandText {
  std::string name, description;
  std::vector<OptionText> options;
};

/// Every command of the application, in its order, with every option but those that are hidden.
std::vector<CommandText> command_texts(const CLI::App& app);

/// "assay: what it is" without the name.
std::string purpose_of(const CLI::App& app);

/// A manual page, in man(7)'s macros.
std::string man_page(const CLI::App& app);

/// What a shell completes commands, options and values by; `shell`: bash, zsh or fish.
std::string completion(const CLI::App& app, const std::string& shell);

}  // namespace assay
