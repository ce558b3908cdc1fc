// The program as a careless parent, a strict system or a small machine starts it: it works, or says what is in the way, and blames no
// variant for it.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <xmmintrin.h>

#include <chrono>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <thread>

#include "harness/cli/process_state.h"
#include "harness/runtime/child.h"
#include "harness/runtime/cpu.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

using Arguments = std::vector<std::string>;

const Arguments kShortCheck = {"check", "--kernel", "add_f32", "--variant", "s*", "--samples", "60", "--jobs", "1"};
const Arguments kSum = {"run", "-p", "5+7=", "--quiet"};
constexpr int kCannot = 77;  // exit status of a child that may not set its state

auto run_in(const std::function<void()>& state, const Arguments& arguments) {
  return run_assay(arguments, ASSAY_BINARY, state);
}

void limit(__rlimit_resource resource, rlim_t soft) {
  rlimit limits{};
  getrlimit(resource, &limits);
  limits.rlim_cur = std::min(soft, limits.rlim_max);
  setrlimit(resource, &limits);
}

void expect_works(const std::function<void()>& state) {
  const auto check = run_in(state, kShortCheck);
  EXPECT_EQ(check.status, 0) << check.out << check.err;
  EXPECT_EQ(check.out.find("fail  "), std::string::npos) << check.out;
  const auto sum = run_in(state, kSum);
  EXPECT_EQ(sum.status, 0) << sum.err;
  EXPECT_EQ(sum.out, "12\n") << sum.err;
}

/// Lines that say what was not made.
std::string not_made(const std::string& out) {
  std::string lines;
  for (size_t at = out.find("not made here: "); at != std::string::npos; at = out.find("not made here: ", at + 1)) {
    lines += out.substr(at, out.find('\n', at) + 1 - at);
  }
  return lines;
}

TEST(Environment, SignalsBlockedAndIgnored) {
  const std::string usual = not_made(run_in(nullptr, kShortCheck).out);
  const auto blocked = [] {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
  };
  const auto ignored = [] {
    for (int s = 1; s < 32; ++s) {
      signal(s, SIG_IGN);
    }
  };
  expect_works(blocked);
  expect_works(ignored);
  EXPECT_EQ(not_made(run_in(blocked, kShortCheck).out), usual);
  EXPECT_EQ(not_made(run_in(ignored, kShortCheck).out), usual);
}

TEST(Environment, ClosedStandardStreams) {
  const auto closed = [](int fd) { return [fd] { close(fd); }; };
  for (const int fd : {0, 2}) {
    EXPECT_EQ(run_in(closed(fd), kSum).out, "12\n") << fd;
  }
  const auto no_out = run_in(closed(1), kSum);
  EXPECT_EQ(no_out.status, 2);
  EXPECT_NE(no_out.err.find("cannot write to stdout"), std::string::npos) << no_out.err;
}

TEST(Environment, AMaskThatHidesNewFilesFromTheirOwner) {
  const TemporaryFolder folder;
  const std::string out = folder.path("small.gguf");
  const auto run = run_in([] { umask(0777); }, {"quantize", ASSAY_SOURCE_DIR "/models/sums.gguf", out, "--type", "f16",
                                                "--force", "*=scalar"});
  ASSERT_EQ(run.status, 0) << run.err;
  struct stat status {};
  ASSERT_EQ(stat(out.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST(Environment, RoundingAndFlushingOfFloats) {
  Child child([] {
    _mm_setcsr(0xffc0);  // toward zero, subnormals flushed
    const uint16_t single = 0x0c3f;
    asm volatile("fldcw %0" : : "m"(single));
    set_process_state();
    uint16_t control = 0;
    asm volatile("fnstcw %0" : "=m"(control));
    _exit(_mm_getcsr() == 0x1f80 && control == 0x37f ? 0 : 1);
  });
  while (!child.poll()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_EQ(child.end(), "");
}

TEST(Environment, SmallSoftLimits) {
  if (kSanitized) {
    GTEST_SKIP() << "the run-time libraries of sanitizers need more than any limit";
  }
  expect_works([] { limit(RLIMIT_STACK, 128 << 10); });
  expect_works([] { limit(RLIMIT_NOFILE, 8); });
  expect_works([] { limit(RLIMIT_CORE, 0); });
}

TEST(Environment, HardLimitsAreNamed) {
  if (kSanitized) {
    GTEST_SKIP() << "the run-time libraries of sanitizers need more than any limit";
  }
  const auto hard = [](__rlimit_resource resource, rlim_t value) {
    return [=] {
      const rlimit limits{value, value};
      setrlimit(resource, &limits);
    };
  };
  const auto stack = run_in(hard(RLIMIT_STACK, 256 << 10), kSum);
  EXPECT_EQ(stack.status, 3) << stack.err;
  EXPECT_NE(stack.err.find("ulimit -s"), std::string::npos) << stack.err;
  const auto files = run_in(hard(RLIMIT_NOFILE, 8), kSum);
  EXPECT_EQ(files.status, 3) << files.err;
  EXPECT_NE(files.err.find("ulimit -n"), std::string::npos) << files.err;
  // A file that becomes too large is an error that names it, and leaves nothing.
  const TemporaryFolder folder;
  const auto size =
      run_in(hard(RLIMIT_FSIZE, 20'000), {"quantize", ASSAY_SOURCE_DIR "/models/sums.gguf", folder.path("small.gguf"),
                                          "--type", "f16", "--force", "*=scalar"});
  EXPECT_EQ(size.status, 2) << size.err;
  EXPECT_NE(size.err.find("small.gguf"), std::string::npos) << size.err;
  EXPECT_TRUE(folder.names().empty());
}

// Whatever the limit lets through: no variant is accused.
TEST(Environment, LittleMemoryIsNobodysFault) {
  if (kSanitized) {
    GTEST_SKIP() << "limits on memory mean nothing there";
  }
  for (const rlim_t mib : {16, 48, 100, 200}) {
    const auto run = run_in([mib] { limit(RLIMIT_AS, mib << 20); }, kShortCheck);
    EXPECT_TRUE(run.status == 0 || run.status == 3 || run.status == 127) << mib << ": " << run.status << run.err;
    EXPECT_EQ(run.out.find("fail  "), std::string::npos) << mib << ": " << run.out;
  }
}

/// Forbids a system call from now on, where argument `argument` has a bit of `bits`; all of them for argument -1.
void forbid(int number, int argument, uint32_t bits) {
  const uint32_t of_argument =
      argument < 0 ? 0 : static_cast<uint32_t>(offsetof(seccomp_data, args) + 8u * static_cast<unsigned>(argument));
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, of_argument),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, static_cast<uint8_t>(argument < 0 ? 0 : 1)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{static_cast<unsigned short>(std::size(filter)), filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    _exit(kCannot);
  }
}

TEST(Environment, WithoutExecutableMemoryTheRestWorks) {
  const auto forbidden = [] { forbid(SYS_mprotect, 2, PROT_EXEC); };
  const auto check = run_in(forbidden, {"check", "--kernel", "add_f32", "--samples", "40", "--jobs", "1"});
  if (check.status == kCannot) {
    GTEST_SKIP() << "this system has no seccomp filters";
  }
  EXPECT_EQ(check.status, 0) << check.out << check.err;
  EXPECT_EQ(check.out.find("fail  "), std::string::npos) << check.out;
  if (isa_status(detect_cpu(), "jit_avx2").runnable) {
    EXPECT_NE(check.out.find("the system forbids executable memory (mprotect: Permission denied)"), std::string::npos)
        << check.out;
    const auto forced = run_in(forbidden, {"run", "-p", "5+7=", "--force", "add_f32=jit_avx2"});
    EXPECT_EQ(forced.status, 3) << forced.err;
    EXPECT_NE(forced.err.find("executable memory"), std::string::npos) << forced.err;
  }
  EXPECT_EQ(run_in(forbidden, kSum).out, "12\n");
  const auto bench = run_in(forbidden, {"bench", "--kernel", "add_f32", "--variant", "s*", "--filter", "L1", "--quick",
                                        "--repetitions", "3", "--min-time", "0.00002", "--samples", "5"});
  EXPECT_EQ(bench.status, 0) << bench.err;
  EXPECT_NE(bench.out.find("limit not measured"), std::string::npos) << bench.out;
}

TEST(Environment, WithoutAnonymousFilesNoVariantIsAccused) {
  const auto check = run_in([] { forbid(SYS_memfd_create, -1, 0); }, kShortCheck);
  if (check.status == kCannot) {
    GTEST_SKIP() << "this system has no seccomp filters";
  }
  EXPECT_EQ(check.out.find("fail  "), std::string::npos) << check.out;
  EXPECT_EQ(run_in([] { forbid(SYS_memfd_create, -1, 0); }, kSum).out, "12\n");
}

TEST(Environment, WithoutMoreThreadsTheOtherChecksAreMade) {
  if (kSanitized) {
    GTEST_SKIP() << "the run-time libraries of sanitizers need what is taken away";
  }
  // A thread is a clone that shares memory (CLONE_VM); fork's is not. clone3 looks absent, as in old containers.
  const auto forbidden = [] {
    forbid(SYS_clone3, -1, 0);
    forbid(SYS_clone, 0, CLONE_THREAD);
  };
  const auto check = run_in(forbidden, kShortCheck);
  if (check.status == kCannot) {
    GTEST_SKIP() << "this system has no seccomp filters";
  }
  EXPECT_EQ(check.out.find("fail  "), std::string::npos) << check.out << check.err;
  EXPECT_NE(check.out.find("calls beside another thread: the system gives"), std::string::npos)
      << check.out << check.err;
  EXPECT_EQ(run_in(forbidden, kSum).out, "12\n");
  const auto many = run_in(forbidden, {"run", "-p", "5+7=", "--quiet", "--threads", "4"});
  EXPECT_EQ(many.status, 3);
  EXPECT_NE(many.err.find("--threads"), std::string::npos) << many.err;
}

TEST(Environment, WithoutProcChecksAreSaidNotToBeMade) {
  if (kSanitized) {
    GTEST_SKIP() << "the run-time libraries of sanitizers need what is taken away";
  }
  const auto hidden = [] {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || mount("none", "/proc", "tmpfs", 0, nullptr) != 0) {
      _exit(kCannot);
    }
  };
  const auto check = run_in(hidden, kShortCheck);
  if (check.status == kCannot) {
    GTEST_SKIP() << "this system lets nobody hide /proc";
  }
  EXPECT_EQ(check.status, 0) << check.out << check.err;
  EXPECT_NE(check.out.find("memory that is both writable and executable: /proc/self/maps cannot be read"),
            std::string::npos)
      << check.out;
  EXPECT_EQ(run_in(hidden, kSum).out, "12\n");
  auto json = kShortCheck;
  json.emplace_back("--json");
  const auto verdicts = nlohmann::json::parse(run_in(hidden, json).out);
  EXPECT_FALSE(verdicts.at(0)["not_made"].empty());
}

TEST(Environment, AnotherLocaleChangesNothing) {
  const std::string command =
      "LC_ALL=de_DE.UTF-8 exec \"$0\" check --kernel exp_f32 --variant scalar --samples 20 --seed 4";
  const auto german = run_assay({"-c", command, ASSAY_BINARY}, "/bin/sh");
  EXPECT_EQ(german.status, 0) << german.err;
  EXPECT_EQ(german.out,
            run_assay({"check", "--kernel", "exp_f32", "--variant", "scalar", "--samples", "20", "--seed", "4"}).out);
}

TEST(Environment, OneFileForBothStreamsHasTheAnswerFirst) {
  const auto run = run_assay({"-c", "exec \"$0\" run -p 5+7= --verify --list-choices 2>&1", ASSAY_BINARY}, "/bin/sh");
  EXPECT_EQ(run.status, 0) << run.out;
  const size_t answer = run.out.find("\n12\n");
  const size_t statistics = run.out.find("\nload: ");
  const size_t choices = run.out.find("\nkernel ");
  const size_t verified = run.out.find("\nverify: ");
  EXPECT_NE(verified, std::string::npos) << run.out;
  EXPECT_LT(answer, statistics) << run.out;
  EXPECT_LT(statistics, choices) << run.out;
  EXPECT_LT(choices, verified) << run.out;
}

}  // namespace
}  // namespace assay
