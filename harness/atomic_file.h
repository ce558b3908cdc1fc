#pragma once
#include <string>
#include <string_view>

namespace assay {

/// Writes `contents` to a temporary file beside `path` and renames it onto `path`: whoever looks sees the old file or
/// the new one, whole, also after a kill. Makes missing folders. Throws InputError naming the path and the cause.
void write_file_atomically(const std::string& path, std::string_view contents);

/// The whole file; throws InputError naming it if it cannot be read or is larger than `limit` bytes.
std::string read_small_file(const std::string& path, size_t limit);

}  // namespace assay
