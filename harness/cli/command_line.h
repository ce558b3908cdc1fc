#pragma once
#include <CLI/CLI.hpp>

namespace assay {

/// Adds every command to `app`, with checks that hold for all of their options: numbers are exact and in the range of
/// their type (CLI11 2.1 takes -1 for 2^64-1, and 2^64 for it too), nothing is NaN, no value is empty.
/// The chosen command leaves its exit status in `status`.
void add_commands(CLI::App& app, int& status);

/// Parses as the program does, but runs no command; throws CLI::ParseError where the program would refuse.
void parse_only(CLI::App& app, int argc, const char* const* argv);

/// The whole program: parses, runs the command, prints errors, and returns the exit status. 0: good; 1: a verdict failed;
/// 2: wrong usage or input; 3: this machine cannot do it; 70: a defect of assay (EX_SOFTWARE of sysexits.h).
int run_command_line(int argc, const char* const* argv);

}  // namespace assay
