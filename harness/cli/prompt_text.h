#pragma once
#include <string>

namespace assay {

/// The text of a file, or of stdin if the path is "-", without one newline at its end: what an editor or `echo` leaves there is no part
/// of a prompt. Throws InputError naming it if it cannot be read, is larger than 64 MiB, or has no text.
std::string read_prompt(const std::string& path);

}  // namespace assay
