#pragma once
#include <map>
#include <string>
#include <vector>

#include "harness/export/interface.h"

namespace assay {

struct ExportOptions {
  SetOptions set;
  std::string kernels = "*";  ///< globs, separated by commas
  bool single_file = false;   ///< a header and a source file in place of the folder's sources
};

/// What an export is made of, and its files.
struct Package {
  Contents contents;
  Fleet fleet;                               ///< of the kernels that are in it
  std::vector<std::string> left_out;         ///< kernels that match, but that no CPU has measured
  std::map<std::string, std::string> files;  ///< by their paths in the folder
};

/// Makes the files: sources of the chosen variants as they are, the dispatcher, CMakeLists.txt, the evidence. The same input gives the same bytes.
/// Throws InputError as smallest_set does, and where no kernel matches.
Package make_package(const Recipe& recipe, const Fleet& fleet, const ExportOptions& options);

/// What the build writes for assay's own library of all variants, without choices: include/assay/kernels.h, src/kernels.c for the compiled ones,
/// src/generators_table.c for the generators.
std::map<std::string, std::string> make_library(const Recipe& recipe);

/// Writes files by their paths in a folder, each whole or not at all.
void write_files(const std::string& folder, const std::map<std::string, std::string>& files);

/// Writes the files to a new or empty folder, or over an export that nobody changed. Throws InputError where something of the user's would be lost.
void write_package(const std::string& folder, const Package& package);

/// The names of files that are not as the program would write them now, from the folder's own fleet.json: changed, missing or new in the program.
/// Another compiler's build of the same sources judges alike, though it would refuse to export what was measured of other code. Throws InputError if the folder holds no export.
std::vector<std::string> drift_of(const Recipe& recipe, const std::string& folder);

}  // namespace assay
