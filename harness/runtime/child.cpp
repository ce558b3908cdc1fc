#include "harness/runtime/child.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "harness/runtime/error.h"

namespace assay {

SharedMemory::SharedMemory(size_t bytes)
    : memory_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)), bytes_(bytes) {
  if (memory_ == MAP_FAILED) {
    throw MachineError(fmt::format("cannot map {} bytes of shared memory: {}", bytes, std::strerror(errno)));
  }
}

SharedMemory::~SharedMemory() {
  if (memory_ != nullptr) {
    munmap(memory_, bytes_);
  }
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), bytes_(other.bytes_) {}

Child::Child(const std::function<void()>& work) {
  std::fflush(nullptr);
  pid_ = fork();
  if (pid_ < 0) {
    throw MachineError(
        fmt::format("cannot start a child process for the check: {}; raise the limits of processes and "
                    "memory (ulimit -u, ulimit -v)",
                    std::strerror(errno)));
  }
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // an interrupted check leaves no orphans
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    int status = 0;
    try {
      work();
    } catch (const std::exception& e) {
      fmt::print(stderr, "child: {}\n", e.what());
      status = 70;
    }
    _exit(status);
  }
}

Child::~Child() {
  if (!ended_) {
    kill();
  }
}

bool Child::poll() {
  if (!ended_) {
    const pid_t waited = waitpid(pid_, &status_, WNOHANG);
    if (waited < 0 && errno != EINTR) {
      throw MachineError(fmt::format("cannot wait for a child process: {}", std::strerror(errno)));
    }
    ended_ = waited == pid_;
  }
  return ended_;
}

void Child::kill() {
  ::kill(pid_, SIGKILL);
  waitpid(pid_, &status_, 0);
  ended_ = true;
}

bool Child::wait_for(double seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!poll()) {
    if (std::chrono::steady_clock::now() > end) {
      kill();
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

double Child::cpu_seconds() const {
  clockid_t clock;
  timespec t{};
  if (ended_ || clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &t) != 0) {
    return 0;
  }
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

bool Child::asleep() const {
  std::ifstream file(fmt::format("/proc/{}/stat", pid_));
  std::string line;
  std::getline(file, line);
  const size_t name_end = line.rfind(')');  // the state follows the name: proc(5)
  return name_end != std::string::npos && line.compare(name_end, 3, ") S") == 0;
}

std::string Child::end() const {
  if (WIFSIGNALED(status_)) {
    return fmt::format("SIG{} ({})", sigabbrev_np(WTERMSIG(status_)), strsignal(WTERMSIG(status_)));
  }
  return WEXITSTATUS(status_) == 0 ? "" : fmt::format("exit status {}", WEXITSTATUS(status_));
}

std::string Child::ended_by_system() const {
  const int signal = ended_ && WIFSIGNALED(status_) ? WTERMSIG(status_) : 0;
  return signal == SIGKILL   ? "the system killed the process (SIGKILL): memory ran out, or CPU time (ulimit -t)"
         : signal == SIGXCPU ? "the process reached its limit of CPU time (SIGXCPU, ulimit -t)"
         : signal == SIGSYS  ? "the system forbids a system call (SIGSYS, a seccomp filter)"
         : signal == SIGXFSZ ? "the process reached its limit of file size (SIGXFSZ, ulimit -f)"
                             : "";
}

}  // namespace assay
