// The command line, one argument a line, parsed but not run; then what the options --case and --force hold, in the small
// languages that assay reads itself.
// Covers: harness/cli/command_line.cpp harness/check/case_id.cpp harness/runtime/dispatch.cpp
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "harness/check/case.h"
#include "harness/cli/command_line.h"
#include "harness/runtime/dispatch.h"
#include "harness/runtime/error.h"

namespace {

std::string value_of(const CLI::App& command, const std::string& name) {
  const CLI::Option* option = command.get_option_no_throw(name);
  return option != nullptr && option->count() == 1 ? option->results()[0] : "";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const assay::Cpu cpu = assay::detect_cpu();
  std::vector<std::string> arguments = {"assay", ""};
  for (size_t i = 0; i < size && arguments.size() < 64; ++i) {
    if (data[i] == '\n') {
      arguments.emplace_back();
    } else if (data[i] != '\0') {  // cannot be in an argument
      arguments.back() += static_cast<char>(data[i]);
    }
  }
  std::vector<const char*> argv;
  for (const auto& a : arguments) {
    argv.push_back(a.c_str());
  }
  CLI::App app;
  int status = 0;
  assay::add_commands(app, status);
  try {
    assay::parse_only(app, static_cast<int>(argv.size()), argv.data());
  } catch (const CLI::Success&) {
    return 0;
  } catch (const CLI::ParseError&) {
    return 0;
  }
  const CLI::App& command = *app.get_subcommands().at(0);
  try {
    if (const std::string text = value_of(command, "--case"); !text.empty()) {
      // What it prints names the same case.
      const assay::CaseId id = assay::case_from(text);
      if (assay::to_string(assay::case_from(assay::to_string(id))) != assay::to_string(id)) {
        std::abort();
      }
    }
    assay::Dispatch::Options options;
    options.force = value_of(command, "--force");
    options.use_environment = false;
    assay::Dispatch(cpu, options);
  } catch (const assay::InputError&) {
  } catch (const assay::MachineError&) {
  }
  return 0;
}
