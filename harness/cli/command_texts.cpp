#include "harness/cli/command_texts.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/runtime/isa.h"
#include "harness/runtime/registry.h"

namespace assay {
namespace {

/// Of CLI11's "{erf,tanh}", or of "value in {erf->0,tanh->1} OR {0,1}" the words.
std::vector<std::string> values_in(const std::string& type) {
  std::vector<std::string> values;
  const size_t open = type.find('{');
  const size_t close = type.find('}', open);
  for (size_t begin = open; open != std::string::npos && close != std::string::npos && begin < close;) {
    const size_t end = std::min(type.find(',', begin + 1), close);
    const std::string value = type.substr(begin + 1, end - begin - 1);
    values.push_back(value.substr(0, value.find("->")));
    begin = end;
  }
  std::ranges::sort(values);
  return values;
}

/// What an option takes whose values the program knows, though it takes globs of them too.
std::vector<std::string> known_values(const CLI::Option& option) {
  if (option.check_lname("kernel")) {
    std::vector<std::string> names;
    for (const Kernel& kernel : kernels()) {
      names.push_back(kernel.name);
    }
    return names;
  }
  return option.check_lname("variant") || option.check_lname("isa") ? isa_names() : std::vector<std::string>();
}

OptionText text_of(const CLI::Option& option) {
  OptionText text;
  for (const auto& name : option.get_snames()) {
    text.names.push_back(fmt::format("-{}", name));
  }
  for (const auto& name : option.get_lnames()) {
    text.names.push_back(fmt::format("--{}", name));
  }
  text.operand = text.names.empty();
  if (text.operand) {
    text.names.push_back(option.get_name());
  }
  text.description = option.get_description();
  std::ranges::replace(text.description, '\n', ' ');
  text.required = option.get_required();
  if (option.get_items_expected_max() == 0) {
    return text;
  }
  const std::string type = option.get_type_name();
  const size_t colon = std::min(type.find(':'), type.size());
  text.value = type.substr(0, colon);
  text.by_default = option.get_default_str();
  text.values = values_in(type);
  if (const size_t range = type.find(" in ["); range != std::string::npos) {
    text.limits = type.substr(range + 1);
  }
  if (text.values.empty()) {
    text.values = known_values(option);
  }
  return text;
}

}  // namespace

std::vector<CommandText> command_texts(const CLI::App& app) {
  std::vector<CommandText> commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    CommandText text{command->get_name(), command->get_description(), {}};
    for (const CLI::Option* option : command->get_options()) {
      if (!option->get_group().empty()) {
        text.options.push_back(text_of(*option));
      }
    }
    commands.push_back(std::move(text));
  }
  return commands;
}

std::string purpose_of(const CLI::App& app) {
  const std::string text = app.get_description();
  const size_t colon = text.find(": ");
  return colon == std::string::npos ? text : text.substr(colon + 2);
}

}  // namespace assay
