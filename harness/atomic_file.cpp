#include "harness/atomic_file.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/error.h"

namespace assay {

void write_file_atomically(const std::string& path, std::string_view contents) {
  const auto fail = [&](const char* step) {
    return InputError(fmt::format("{}: cannot {}: {}; name a place that you may write to", path, step, std::strerror(errno)));
  };
  const auto folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!folder.empty()) {
    std::filesystem::create_directories(folder, error);
  }
  std::string temporary = path + ".XXXXXX";
  const int fd = mkstemp(temporary.data());
  if (fd < 0) {
    throw fail("make a temporary file beside it");
  }
  size_t written = 0;
  while (written < contents.size()) {
    const ssize_t n = write(fd, contents.data() + written, contents.size() - written);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n <= 0) {
      const auto e = fail("write it");
      close(fd);
      unlink(temporary.c_str());
      throw e;
    }
    written += static_cast<size_t>(n);
  }
  const mode_t mask = umask(0);
  umask(mask);
  fchmod(fd, 0666 & ~mask);  // mkstemp makes 0600
  if (fsync(fd) != 0 || close(fd) != 0 || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const auto e = fail("put it in place");
    unlink(temporary.c_str());
    throw e;
  }
}

std::string read_small_file(const std::string& path, size_t limit) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    throw InputError(fmt::format("{}: no such file", path));
  }
  const auto size = std::filesystem::file_size(path, error);
  if (error || size > limit) {
    throw InputError(fmt::format("{}: {} bytes; at most {} are read", path, size, limit));
  }
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  if (!in) {
    throw InputError(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  }
  return text.str();
}

}  // namespace assay
