#include "harness/cli/supervised.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "harness/runtime/child.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

/// What the child has said, in memory that both share: 1 and its exit status; 0: nothing yet.
using LastWord = std::atomic<int>;
LastWord* last_word = nullptr;

/// Signals that are for the child.
constexpr std::array kForChild = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
/// Those that end a process without any fault of its own.
constexpr std::array kNoFault = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGKILL, SIGXCPU, SIGALRM};

/// Until the child has ended: its status, as of waitpid.
int wait_for(pid_t child, const sigset_t& signals) {
  for (;;) {
    int status = 0;
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child || (ended < 0 && errno != EINTR)) {
      return status;
    }
    siginfo_t info{};
    const int signal = sigwaitinfo(&signals, &info);
    // A terminal sends it to both. What somebody else sends, he sends to this process alone.
    if (signal > 0 && signal != SIGCHLD && info.si_code <= 0) {
      kill(child, signal);
    }
  }
}

/// Ends as the child did.
[[noreturn]] void end_as(int status) {
  if (WIFSIGNALED(status) && std::ranges::count(kNoFault, WTERMSIG(status)) != 0) {
    sigset_t none;
    sigemptyset(&none);
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
    sigprocmask(SIG_SETMASK, &none, nullptr);
  }
  if (WIFEXITED(status) && *last_word == 1 + WEXITSTATUS(status)) {
    _exit(WEXITSTATUS(status));
  }
  const std::string how = WIFSIGNALED(status)
                              ? fmt::format("crashed the process, SIG{}", sigabbrev_np(WTERMSIG(status)))
                              : fmt::format("ended the process, with exit status {}", WEXITSTATUS(status));
  const std::string text = fmt::format("assay: a library of --plugin {} before its work was done\n", how);
  std::fwrite(text.data(), 1, text.size(), stderr);
  _exit(2);
}

}  // namespace

void continue_supervised() {
  if (last_word != nullptr) {
    return;
  }
  static const SharedMemory memory(sizeof(LastWord));
  last_word = static_cast<LastWord*>(memory.get());
  sigset_t signals, before;
  sigemptyset(&signals);
  sigaddset(&signals, SIGCHLD);
  for (const int one : kForChild) {
    sigaddset(&signals, one);
  }
  sigprocmask(SIG_BLOCK, &signals, &before);
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child < 0) {
    throw MachineError(fmt::format("cannot start a process for what plug-ins do: {}", std::strerror(errno)));
  }
  if (child != 0) {
    end_as(wait_for(child, signals));
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigprocmask(SIG_SETMASK, &before, nullptr);
}

void finish_supervised(int status) {
  if (last_word != nullptr) {
    *last_word = 1 + status;
  }
}

}  // namespace assay
