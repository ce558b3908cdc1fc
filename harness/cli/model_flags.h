#pragma once
#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "harness/cli/plugin_flags.h"
#include "harness/cli/shipped.h"
#include "harness/runtime/dispatch.h"
#include "runner/model.h"
#include "runner/tokenizer.h"

namespace assay {

/// As --cache-type has it.
std::string name_of(CacheType type);

/// What every command that runs a model is told alike.
struct ModelFlags {
  std::string model = shipped_model();
  unsigned threads = 0;  ///< as ThreadPool takes them
  ContextOptions context;
  std::string force, profile;
  PluginFlags plugins;
  std::optional<PieceRule> rule;  ///< none: the file's own
  bool quiet = false;
};

/// -m, -t, -c, --cache-type, --gelu, --force, --profile, --plugin, --accept-claims and -q of the command.
void add_model_flags(CLI::App& command, ModelFlags& flags);

/// --tokenizer of a command that reads text.
void add_tokenizer_flag(CLI::App& command, ModelFlags& flags);

/// The tokenizer that they ask for. What a file does not say, and the rule that is not the file's own, is told on stderr, unless they want
/// it quiet. Throws InputError as Tokenizer does.
Tokenizer make_tokenizer(const GgufFile& file, const ModelFlags& flags);

/// The dispatch that they ask for. What it has to say goes to stderr, unless they want it quiet. A plug-in's variant that is forced is checked
/// first. Throws InputError if it fails.
Dispatch make_dispatch(const Cpu& cpu, const ModelFlags& flags);

}  // namespace assay
