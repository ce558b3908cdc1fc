#pragma once
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace assay {

/// One line on stderr that is rewritten in place; nothing where stderr is no terminal.
class Progress {
 public:
  Progress() : terminal_(isatty(STDERR_FILENO) != 0) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;

  void show(const std::string& line) {
    if (terminal_) {
      fmt::print(stderr, "\r\x1b[K{}", line);
      std::fflush(stderr);
      dirty_ = true;
    }
  }
  void clear() {
    if (dirty_) {
      fmt::print(stderr, "\r\x1b[K");
      std::fflush(stderr);
      dirty_ = false;
    }
  }

 private:
  bool terminal_;
  bool dirty_ = false;
};

}  // namespace assay
