#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "harness/commands.h"
#include "harness/error.h"

int main(int argc, char** argv) {
  CLI::App app{"assay: which implementation of each GPT kernel is right, which is fastest, and which to use on this CPU"};
  app.set_version_flag("--version", "assay " ASSAY_VERSION);
  app.require_subcommand(1);
  app.failure_message(CLI::FailureMessage::help);
  int status = 0;
  assay::add_cpu_command(app, status);
  assay::add_list_command(app, status);
  assay::add_check_command(app, status);
  assay::add_selftest_command(app, status);
  assay::add_bench_command(app, status);
  assay::add_tune_command(app, status);
  assay::add_predict_command(app, status);
  assay::add_run_command(app, status);
  assay::add_quantize_command(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    fmt::print(stderr, "assay: {}\nTry `assay --help` or `assay COMMAND --help`.\n", e.what());
    return 2;
  } catch (const assay::InputError& e) {
    fmt::print(stderr, "assay: {}\n", e.what());
    return 2;
  } catch (const assay::MachineError& e) {
    fmt::print(stderr, "assay: {}\n", e.what());
    return 3;
  } catch (const std::exception& e) {
    fmt::print(stderr, "assay: internal error: {}\n", e.what());
    return 70;  // EX_SOFTWARE of sysexits.h
  }
  return std::fflush(stdout) == 0 ? status : 74;  // EX_IOERR: a full disk is not a pass
}
