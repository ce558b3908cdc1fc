#pragma once
#include <CLI/CLI.hpp>
#include <string>

#include "harness/runtime/dispatch.h"
#include "runner/model.h"

namespace assay {

/// The path of the shipped model that adds numbers.
std::string shipped_model();

/// As --cache-type has it.
std::string name_of(CacheType type);

/// What every command that runs a model is told alike.
struct ModelFlags {
  std::string model = shipped_model();
  unsigned threads = 0;  ///< as ThreadPool takes them
  ContextOptions context;
  std::string force, profile;
  bool quiet = false;
};

/// -m, -t, -c, --cache-type, --force, --profile and -q of the command.
void add_model_flags(CLI::App& command, ModelFlags& flags);

/// The dispatch that they ask for. What it has to say goes to stderr, unless they want it quiet.
Dispatch make_dispatch(const Cpu& cpu, const ModelFlags& flags);

}  // namespace assay
