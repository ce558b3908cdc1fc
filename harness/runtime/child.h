#pragma once
#include <sys/types.h>

#include <functional>
#include <string>

namespace assay {

/// Zeroed memory that a child process shares with its parent.
class SharedMemory {
 public:
  explicit SharedMemory(size_t bytes);
  ~SharedMemory();
  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&&) = delete;
  void* get() const { return memory_; }

 private:
  void* memory_;
  size_t bytes_;
};

/// A forked child that runs `work` and exits with 0. Its stderr and stdout stay the parent's.
class Child {
 public:
  explicit Child(const std::function<void()>& work);
  /// Kills and reaps the child if it still runs.
  ~Child();
  Child(const Child&) = delete;

  /// Whether it has ended; afterwards end() tells how.
  bool poll();
  void kill();
  /// Until it has ended. False: it had not within so many seconds, and was killed.
  bool wait_for(double seconds);
  /// CPU time of all its threads so far; 0 once it has ended.
  double cpu_seconds() const;
  /// Whether it sleeps: it waits for something, and not for a processor. False where /proc does not tell.
  bool asleep() const;
  /// "" for exit 0, else "SIGSEGV (Segmentation fault)", "exit status 3", ...
  std::string end() const;
  /// Why the system has ended it, which no kernel can bring about by itself: a limit, or too little memory. "" if it has not.
  std::string ended_by_system() const;

 private:
  pid_t pid_;
  int status_ = 0;
  bool ended_ = false;
};

}  // namespace assay
