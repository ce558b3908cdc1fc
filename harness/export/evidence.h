#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "harness/export/package.h"

namespace assay {

/// Why these variants: for programs, and for people in Markdown. Of each kernel the variants with their code, verdicts, compiler and flags, the
/// loss against the number of variants, and of each CPU what its classes take and lose.
nlohmann::json evidence_json(const Recipe& recipe, const Package& package, const ExportOptions& options);
std::string evidence_markdown(const Package& package, const ExportOptions& options);

/// The table of loss against number, for a terminal.
std::string losses_text(const Contents& contents);

}  // namespace assay
