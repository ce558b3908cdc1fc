#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "harness/runtime/cpu.h"

namespace assay {

/// What every command that takes plug-ins is told alike.
struct PluginFlags {
  std::vector<std::string> plugins;  ///< FILE or FILE:ARGUMENT
  bool accept_claims = false;
};

/// --plugin of the command.
void add_plugin_flag(CLI::App& command, PluginFlags& flags);
/// --accept-claims of one that chooses.
void add_accept_claims_flag(CLI::App& command, PluginFlags& flags);

/// Adds their variants to the registry, before anything else looks there. What loading one did that it should not is told on stderr. Throws
/// InputError as add_plugin does.
void load_plugins(const PluginFlags& flags);

/// Globs of the variants that the plug-ins have, and of their kernels: what a command is about where its user says nothing else.
std::string variants_of_plugins();
std::string kernels_of_plugins();

}  // namespace assay
