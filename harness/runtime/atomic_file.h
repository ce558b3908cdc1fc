#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace assay {

/// A file that comes into being whole or not at all. The bytes go to `NAME.tmp-XXXXXXXX` in the same folder; commit()
/// syncs that file and renames it onto the path, so whoever looks sees the old file or the new one, also after a kill.
/// Without commit() the destructor removes it. A killed process leaves it; the next writer of the same path removes it.
///
/// A link is followed: the file that it names is replaced. Anything else that is no regular file (a device, a folder) is
/// refused. Errors are InputError that names the path, the cause and the remedy.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(std::span<const std::byte> data);
  /// Once, after the last byte.
  void commit();

 private:
  void create();
  void remove_leftovers() const;
  void discard();
  [[noreturn]] void fail(const char* step) const;

  std::string path_;    ///< as given
  std::string target_;  ///< what is replaced: path_ with its links followed
  std::string temporary_;
  int fd_ = -1;
};

/// A whole file at once. Makes missing folders.
void write_file_atomically(const std::string& path, std::string_view contents);

/// Throws InputError if a file could not be written at `path` (no such folder, no permission, not a regular file): to
/// find out before an hour of work, not after. Makes missing folders; writes nothing.
void check_writable(const std::string& path);

/// The whole file; throws InputError naming it if it cannot be read or is larger than `limit` bytes.
std::string read_small_file(const std::string& path, size_t limit);

}  // namespace assay
