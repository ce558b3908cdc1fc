#include "harness/cli/shipped.h"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

#include "harness/runtime/error.h"
#include "harness/runtime/program_file.h"

namespace assay {
namespace {

/// PREFIX of an installed PREFIX/bin/assay.
std::filesystem::path prefix() { return std::filesystem::path(program_file()).parent_path().parent_path(); }

bool is_there(const std::filesystem::path& file) {
  std::error_code error;
  return std::filesystem::exists(file, error);
}

}  // namespace

std::string source_folder() { return ASSAY_SOURCE_DIR; }

std::string shipped_model() {
  const auto installed = prefix() / "share/assay/models/sums.gguf";
  const std::filesystem::path in_sources = ASSAY_SOURCE_DIR "/models/sums.gguf";
  return is_there(in_sources) && !is_there(installed) ? in_sources : installed;
}

std::string include_folder() {
  const auto installed = prefix() / "include/assay-1";
  if (is_there(installed / "assay/plugin.h")) {
    return installed;
  }
  if (!is_there(ASSAY_SOURCE_DIR "/include/assay/plugin.h")) {
    throw MachineError(fmt::format(
        "what is compiled here needs assay's headers, and there are none: neither {}/assay/plugin.h nor the "
        "sources {}; install them too, or name no file to be compiled",
        installed.string(), ASSAY_SOURCE_DIR));
  }
  return ASSAY_SOURCE_DIR;
}

}  // namespace assay
