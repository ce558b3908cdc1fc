#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace assay {

struct ToolResult {
  int status = 0;  ///< exit status, or 128 and the signal's number
  std::string out, err;
};

/// Runs argv[0], found in PATH, with `input` as its standard input; no shell. Throws MachineError if it cannot be
/// started or does not end within `timeout` seconds.
ToolResult run_tool(const std::vector<std::string>& argv, std::string_view input, int timeout = 120);

/// The first of `names` that PATH holds, or "".
std::string find_tool(const std::vector<std::string>& names);

}  // namespace assay
