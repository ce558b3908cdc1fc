#include "harness/cli/plugin_flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

#include "harness/cli/supervised.h"
#include "harness/runtime/plugin.h"

namespace assay {

void add_plugin_flag(CLI::App& command, PluginFlags& flags) {
  command
      .add_option(
          "--plugin", flags.plugins,
          "FILE or FILE:ARGUMENT: the variants of this shared library too (include/assay/plugin.h); may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_accept_claims_flag(CLI::App& command, PluginFlags& flags) {
  command.add_flag("--accept-claims", flags.accept_claims,
                   "variants of plug-ins that do not keep their contracts, only what they claim, may be chosen too");
}

void load_plugins(const PluginFlags& flags) {
  if (!flags.plugins.empty()) {
    continue_supervised();
  }
  for (const auto& plugin : flags.plugins) {
    const auto library = add_plugin(plugin);
    if (!library->notes.empty()) {
      fmt::print(stderr, "assay: {}: loading it {}: assay undoes what can be undone\n", plugin,
                 fmt::join(library->notes, ", "));
    }
  }
}

std::string variants_of_plugins() {
  std::vector<std::string> globs;
  for (const auto& library : plugins()) {
    globs.push_back(library->name + ":*");
  }
  return fmt::format("{}", fmt::join(globs, ","));
}

std::string kernels_of_plugins() {
  std::vector<std::string> names;
  for (const Kernel& kernel : kernels()) {
    if (std::ranges::any_of(kernel.variants, [](const Variant& v) { return v.foreign != nullptr; })) {
      names.push_back(kernel.name);
    }
  }
  return fmt::format("{}", fmt::join(names, ","));
}

}  // namespace assay
