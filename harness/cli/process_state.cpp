#include "harness/cli/process_state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <algorithm>
#include <cstdint>

#include "harness/runtime/error.h"

namespace assay {
namespace {

/// A file opened later may not become what is printed to: where a standard stream is closed, one takes its place that
/// refuses.
void fill_closed_streams() {
  for (int fd = 0; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) == -1) {
      // open() takes the lowest free number: this one.
      (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
    }
  }
}

/// A blocked SIGTRAP ends a program that steps through code, and where SIGCHLD is ignored no child can be waited for. Nobody means
/// either: a parent has forgotten to undo it.
void reset_signals() {
  for (const int s : {SIGTRAP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGCHLD, SIGXCPU}) {
    signal(s, SIG_DFL);
  }
  signal(SIGXFSZ, SIG_IGN);  // a limit on files is an error of the write, which names the file
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// As the System V AMD64 ABI (section 3.4.1) has it at a process's start. A library that is linked with -ffast-math flushes
/// subnormals before main().
void reset_floats() {
  _mm_setcsr(0x1f80);
  const uint16_t control = 0x37f;
  asm volatile("fldcw %0" : : "m"(control));
}

/// Raises a soft limit to `wanted`, or as far as the hard one allows; what it is then.
rlim_t raise_limit(__rlimit_resource resource, rlim_t wanted) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) {
    return RLIM_INFINITY;
  }
  if (limit.rlim_cur < wanted) {
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    setrlimit(resource, &limit);
  }
  return limit.rlim_cur;
}

void raise_limits() {
  constexpr rlim_t kStack = 8u << 20;  // Linux's own default, which everything is tried with
  constexpr rlim_t kLeastStack = 1u << 20;
  if (const rlim_t stack = raise_limit(RLIMIT_STACK, kStack); stack < kLeastStack) {
    throw MachineError(fmt::format("the stack is limited to {} KiB, and assay needs {}: raise the limit (ulimit -s)",
                                   stack >> 10, kLeastStack >> 10));
  }
  constexpr rlim_t kFiles = 256;
  constexpr rlim_t kLeastFiles = 16;
  if (const rlim_t files = raise_limit(RLIMIT_NOFILE, kFiles); files < kLeastFiles) {
    throw MachineError(fmt::format("open files are limited to {}, and assay needs {}: raise the limit (ulimit -n)",
                                   files, kLeastFiles));
  }
  // The C library took the stacks of threads from the limit as it was: too small, or as much as a limit on memory forbids.
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) == 0) {
    pthread_attr_setstacksize(&attributes, kStack);
    pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
  }
}

}  // namespace

void set_process_state() {
  fill_closed_streams();
  reset_signals();
  reset_floats();
  umask(umask(0) & 077);  // a file that its owner cannot read is lost
  raise_limits();
}

}  // namespace assay
