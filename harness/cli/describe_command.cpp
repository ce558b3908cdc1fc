#include <fmt/format.h>

#include <memory>
#include <string>

#include "harness/cli/command_texts.h"
#include "harness/cli/commands.h"

namespace assay {

void add_describe_command(CLI::App& app, int& status) {
  auto* command = app.add_subcommand(
      "describe", "this command line, for other programs: its manual page, or what a shell completes it by");
  auto format = std::make_shared<std::string>();
  command->add_option("FORMAT", *format, "for whom; for a shell at hand `. <(assay describe bash)`, packages install them")
      ->required()
      ->check(CLI::IsMember({"man", "bash", "zsh", "fish"}));
  command->callback([&app, format, &status] {
    fmt::print("{}", *format == "man" ? man_page(app) : completion(app, *format));
    status = 0;
  });
}

}  // namespace assay
