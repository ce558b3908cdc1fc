#include "harness/cli/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <optional>
#include <system_error>

#include "harness/cli/commands.h"
#include "harness/cli/process_state.h"
#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

/// The value of a whole number as an option takes it: decimal or 0x..., a sign only where `T` has one.
template <class T>
std::optional<T> whole_number(std::string_view text) {
  const bool hex = text.starts_with("0x");
  text.remove_prefix(hex ? 2 : 0);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size() || (hex && text.starts_with('-'))) {
    return std::nullopt;
  }
  return value;
}

bool finite_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(value);
}

/// By the type that CLI11 derives from the variable behind an option.
void check_values_of(CLI::Option& option) {
  const std::string type = option.get_type_name().substr(0, option.get_type_name().find(':'));
  const auto reject = [](const std::string& text, const char* wanted) {
    return fmt::format("{} is not {}", quote(text), wanted);
  };
  if (type == "UINT") {
    // Written back as decimal: CLI11 would take 010 for 8.
    option.transform(CLI::Validator(
        [reject](std::string& text) {
          const auto value = whole_number<uint64_t>(text);
          if (!value) {
            return reject(text, "a whole number >= 0");
          }
          text = std::to_string(*value);
          return std::string();
        },
        ""));
  } else if (type == "INT") {
    option.transform(CLI::Validator(
        [reject](std::string& text) {
          const auto value = whole_number<int64_t>(text);
          if (!value) {
            return reject(text, "a whole number");
          }
          text = std::to_string(*value);
          return std::string();
        },
        ""));
  } else if (type == "FLOAT") {
    option.check(
        [reject](const std::string& text) {
          return finite_number(text) ? std::string() : reject(text, "a finite number");
        },
        "");
  } else if (option.get_items_expected_max() > 0) {
    option.check(
        [](const std::string& text) {
          return text.empty() ? std::string("the value is empty: give one, or leave the option out") : std::string();
        },
        "");
  }
}

void check_values(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) {
    check_values_of(*option);
  }
  for (CLI::App* command : app.get_subcommands({})) {
    check_values(*command);
  }
}

int report(int status, std::string_view message, std::string_view remedy = "") {
  std::fflush(stdout);  // what was printed before comes before
  // Escaped, since it quotes the command line and files: whatever they hold, this is one line and commands no terminal.
  const std::string text = fmt::format("assay: {}\n{}", one_line(message, 8192), remedy);
  std::fwrite(text.data(), 1, text.size(), stderr);  // fmt::print would throw if stderr is full, too
  return status;
}

/// CLI11 would only say that it wants a subcommand.
void refuse_unknown_command(const CLI::App& app, int argc, const char* const* argv) {
  const std::string_view first = argc > 1 ? argv[1] : "-";
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  if (first.starts_with('-') || std::ranges::find(names, first) != names.end()) {
    return;
  }
  throw CLI::ExtrasError(fmt::format("{} is no command; they are: {}", quote(first), fmt::join(names, ", ")),
                         CLI::ExitCodes::ExtrasError);
}

int parse_and_run(CLI::App& app, int argc, const char* const* argv, const int& status) {
  try {
    set_process_state();
    refuse_unknown_command(app, argc, argv);
    app.parse(argc, argv);
    return status;
  } catch (const CLI::Success& e) {  // --help, --version
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    return report(2, e.what(), "Try `assay --help` or `assay COMMAND --help`.\n");
  } catch (const InputError& e) {
    return report(2, e.what());
  } catch (const MachineError& e) {
    return report(3, e.what());
  } catch (const std::bad_alloc&) {
    return report(3, "out of memory: free some, or give a smaller model or shape");
  } catch (const std::system_error& e) {
    // fmt throws it if it cannot print; the other origin is a thread that the system does not give.
    return std::ferror(stdout) != 0 ? status : report(3, fmt::format("the system refuses: {}", e.what()));
  } catch (const std::exception& e) {
    return report(70, fmt::format("internal error: {}", e.what()));
  }
}

}  // namespace

void add_commands(CLI::App& app, int& status) {
  app.require_subcommand(1);
  add_cpu_command(app, status);
  add_list_command(app, status);
  add_check_command(app, status);
  add_selftest_command(app, status);
  add_try_command(app, status);
  add_bench_command(app, status);
  add_compare_command(app, status);
  add_tune_command(app, status);
  add_merge_command(app, status);
  add_export_command(app, status);
  add_predict_command(app, status);
  add_report_command(app, status);
  add_run_command(app, status);
  add_chat_command(app, status);
  add_perplexity_command(app, status);
  add_bench_model_command(app, status);
  add_quantize_command(app, status);
  add_convert_command(app, status);
  add_info_command(app, status);
  add_describe_command(app, status);
  check_values(app);
}

void parse_only(CLI::App& app, int argc, const char* const* argv) {
  struct Parsed {};
  // Called when all is parsed, before the command's own callback; that one cannot be replaced, since it holds what the
  // options are stored in.
  app.parse_complete_callback([] { throw Parsed(); });
  try {
    app.parse(argc, argv);
  } catch (const Parsed&) {
  }
}

int run_command_line(int argc, const char* const* argv) {
  CLI::App app{
      "assay: which implementation of each GPT kernel is right, which is fastest, and which to use on this CPU"};
  app.set_version_flag("--version", "assay " ASSAY_VERSION);
  int status = 0;
  add_commands(app, status);
  const int ended = parse_and_run(app, argc, argv, status);
  // A full disk is not a pass.
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    const int error = errno;
    return report(2, fmt::format("cannot write to stdout: {}; free space or send it elsewhere", std::strerror(error)));
  }
  return ended;
}

}  // namespace assay
