#include "harness/runtime/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>

#include "harness/runtime/error.h"
#include "harness/runtime/text.h"

namespace assay {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".tmp-";
constexpr size_t kSuffixDigits = 8;

fs::path folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder;
}

/// Whether `name` is what create() would call a temporary file of `base`.
bool is_temporary_of(std::string_view name, std::string_view base) {
  if (!name.starts_with(base) || name.size() != base.size() + kSuffix.size() + kSuffixDigits) {
    return false;
  }
  name.remove_prefix(base.size());
  return name.starts_with(kSuffix) &&
         name.find_first_not_of("0123456789abcdef", kSuffix.size()) == std::string_view::npos;
}

/// Whether it is a file that some process has open, as /dev/stdout is: a link to one in /proc, maybe through others.
bool leads_to_a_stream(fs::path path) {
  constexpr int kMostLinks = 40;  // as Linux follows
  std::error_code error;
  for (int i = 0; i < kMostLinks; ++i) {
    const fs::path folder = fs::canonical(folder_of(path), error);
    if (error || !fs::is_symlink(path, error)) {
      return false;
    }
    if (folder.string().starts_with("/proc/")) {
      return true;
    }
    path = folder / fs::read_symlink(path, error);
  }
  return false;
}

void make_folders(const std::string& path) {
  std::error_code ignored;  // what could not be made shows when the file is opened
  fs::create_directories(folder_of(path), ignored);
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path), target_(path) {
  if (path.empty()) {
    throw InputError("the output path is empty: name a file");
  }
  if (leads_to_a_stream(path)) {
    throw InputError(fmt::format("{}: is a stream of a process, and no file that can be replaced; name a file",
                                 one_line(path, 4096)));
  }
  std::error_code error;
  if (fs::is_symlink(path, error)) {
    const fs::path followed = fs::canonical(path, error);
    if (error) {
      throw InputError(fmt::format("{}: is a link that leads nowhere: {}; remove it or name another file",
                                   one_line(path, 4096), error.message()));
    }
    target_ = followed.string();
  }
  struct stat status {};
  if (stat(target_.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    throw InputError(fmt::format("{}: exists and is {}; name a regular file", one_line(path, 4096),
                                 S_ISDIR(status.st_mode) ? "a folder" : "not a regular file"));
  }
  remove_leftovers();
  create();
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::discard() {
  if (fd_ >= 0) {
    close(fd_);
    unlink(temporary_.c_str());
    fd_ = -1;
  }
}

void AtomicFile::fail(const char* step) const {
  throw InputError(fmt::format("{}: cannot {}: {}; free space or name a place that you may write to",
                               one_line(path_, 4096), step, std::strerror(errno)));
}

void AtomicFile::create() {
  std::random_device random;
  for (;;) {
    // mkstemp would give mode 0600; this is as readable as any other output, by the umask.
    temporary_ = fmt::format("{}{}{:08x}", target_, kSuffix, random());
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0) {
      if (errno == EEXIST) {
        continue;
      }
      fail("make a temporary file beside it");
    }
    // The lock says that its writer lives; the kernel drops it when the process ends, however it ends. A file system
    // without locks just keeps leftovers.
    struct stat status {};
    if (flock(fd_, LOCK_EX) != 0 || fstat(fd_, &status) != 0 || status.st_nlink > 0) {
      return;
    }
    close(fd_);  // another writer took it for a leftover before it was locked
  }
}

void AtomicFile::remove_leftovers() const {
  const std::string base = fs::path(target_).filename().string();
  std::error_code error;
  for (fs::directory_iterator it(folder_of(target_), error), end; !error && it != end; it.increment(error)) {
    if (!is_temporary_of(it->path().filename().string(), base)) {
      continue;
    }
    const int fd = ::open(it->path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd >= 0) {
      if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        unlink(it->path().c_str());
      }
      close(fd);
    }
  }
}

void AtomicFile::write(std::span<const std::byte> data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd_, data.data(), data.size());
    if (n < 0 && errno != EINTR) {
      fail("write it");
    }
    if (n > 0) {
      data = data.subspan(static_cast<size_t>(n));
    }
  }
}

void AtomicFile::commit() {
  // Data before the name: a crash of the system must not leave the new name with no data behind it.
  if (fsync(fd_) != 0) {
    fail("write it to the disk");
  }
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) {
    fail("put it in place");
  }
  close(fd_);
  fd_ = -1;
  // The name is on disk only once its folder is; a file system that cannot do this has still renamed, so a failure is
  // not one of ours.
  const int folder = ::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    fsync(folder);
    close(folder);
  }
}

void write_file_atomically(const std::string& path, std::string_view contents) {
  make_folders(path);
  AtomicFile file(path);
  file.write(std::as_bytes(std::span(contents)));
  file.commit();
}

void check_writable(const std::string& path) {
  make_folders(path);
  const AtomicFile trial(path);
}

std::string read_small_file(const std::string& path, size_t limit) {
  const auto fail = [&](const std::string& why) {
    return InputError(fmt::format("{}: {}", one_line(path, 4096), why));
  };
  // Non-blocking, since opening a FIFO would otherwise wait for its writer.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    throw fail(fmt::format("cannot be opened: {}; check the path", std::strerror(errno)));
  }
  struct Close {
    int fd;
    ~Close() { close(fd); }
  } const closer{fd};
  struct stat status {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    throw fail("is not a regular file; name a file");
  }
  // The size is checked as it is read: a file can grow.
  std::string text(std::min(static_cast<size_t>(status.st_size), limit) + 1, '\0');
  size_t size = 0;
  for (;;) {
    const ssize_t n = ::read(fd, text.data() + size, text.size() - size);
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0) {
      throw fail(fmt::format("cannot be read: {}", std::strerror(errno)));
    }
    size += static_cast<size_t>(n);
    if (size > limit) {
      throw fail(fmt::format("{} bytes or more; at most {} are read: this is not such a file", size, limit));
    }
    if (n == 0) {
      text.resize(size);
      return text;
    }
    text.resize(std::max(text.size(), std::min(2 * size, limit) + 1));
  }
}

}  // namespace assay
