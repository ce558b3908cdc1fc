#include "harness/predict/tool.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "harness/runtime/error.h"

extern char** environ;

namespace assay {
namespace {

/// An anonymous file: a pipe could fill up on one side while the other waits.
class Scratch {
 public:
  explicit Scratch(std::string_view contents = {}) : fd_(memfd_create("assay", MFD_CLOEXEC)) {
    for (size_t done = 0; fd_ >= 0 && done < contents.size();) {
      const ssize_t n = write(fd_, contents.data() + done, contents.size() - done);
      if (n <= 0) {
        throw MachineError(fmt::format("cannot hold {} bytes in memory: {}", contents.size(), std::strerror(errno)));
      }
      done += static_cast<size_t>(n);
    }
    if (fd_ < 0 || lseek(fd_, 0, SEEK_SET) != 0) {
      throw MachineError(fmt::format("cannot make an anonymous file: {}", std::strerror(errno)));
    }
  }
  ~Scratch() { close(fd_); }
  Scratch(const Scratch&) = delete;

  int fd() const { return fd_; }
  std::string contents() const {
    std::string text(static_cast<size_t>(lseek(fd_, 0, SEEK_END)), '\0');
    const ssize_t n = pread(fd_, text.data(), text.size(), 0);
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return text;
  }

 private:
  int fd_;
};

}  // namespace

ToolResult run_tool(const std::vector<std::string>& argv, std::string_view input, int timeout) {
  const Scratch in(input);
  const Scratch out;
  const Scratch err;
  std::vector<char*> words;
  for (const auto& word : argv) {
    words.push_back(const_cast<char*>(word.c_str()));
  }
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.fd(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.fd(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.fd(), STDERR_FILENO);
  // What this process puts off, as Ctrl-C, is no matter of the tool's.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, words[0], &actions, &attributes, words.data(), environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw MachineError(fmt::format("cannot start {}: {}", argv[0], std::strerror(error)));
  }
  // By number: the header of glibc 2.36 lacks C linkage for C++. -1 before Linux 5.3: no limit then.
  const int watch = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  pollfd ended{watch, POLLIN, 0};
  const bool late = watch >= 0 && poll(&ended, 1, timeout * 1000) == 0;
  if (late) {
    kill(pid, SIGKILL);
  }
  if (watch >= 0) {
    close(watch);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (late) {
    throw MachineError(fmt::format("{} did not end within {} s", argv[0], timeout));
  }
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), out.contents(), err.contents()};
}

std::string find_tool(const std::vector<std::string>& names) {
  const char* path = std::getenv("PATH");
  for (const auto& name : names) {
    std::string_view rest = path == nullptr ? "" : path;
    while (!rest.empty()) {
      const size_t colon = std::min(rest.find(':'), rest.size());
      const std::string file = fmt::format("{}/{}", rest.substr(0, colon), name);
      if (access(file.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(file)) {
        return name;
      }
      rest.remove_prefix(std::min(colon + 1, rest.size()));
    }
  }
  return "";
}

}  // namespace assay
