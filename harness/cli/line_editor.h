#pragma once
#include <optional>
#include <string>
#include <vector>

namespace assay {

/// Whether stdin and stderr are a terminal that can be drawn on.
bool can_edit_lines();

/// A line typed on the terminal: arrow keys, Home, End and Delete edit it, up and down bring back lines of `history`, the latest first; it is
/// added to them. Nothing for Ctrl-D on an empty line. Ctrl-C ends the program, with the terminal as it was. Drawn on stderr.
std::optional<std::string> edit_line(const std::string& prompt, std::vector<std::string>& history);

}  // namespace assay
