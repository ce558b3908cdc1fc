#include "harness/check/crash.h"

#include <fmt/format.h>
#include <signal.h>
#include <ucontext.h>

#include <array>
#include <cstdlib>
#include <string>

#include "harness/check/caller.h"
#include "harness/check/instructions.h"
#include "harness/check/sample_log.h"

namespace assay {
namespace {

constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT};

// qemu-user 7.2 calls handlers with a stack that is 8 bytes off: aligned SSE code would fault in here.
__attribute__((force_align_arg_pointer)) void on_crash(int signal, siginfo_t* info, void* context) {
  // Not async-signal-safe, and need not be: the kernel was at work, not the allocator; if it was, the hang is cut off.
  const auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto rip = static_cast<uint64_t>(registers[REG_RIP]);
  const char* step = AtWork::step();
  std::string text = fmt::format("{}{}SIG{}", step, *step != '\0' ? ": " : "", sigabbrev_np(signal));
  std::string check = signal == SIGILL ? "illegal-instruction" : "crash";
  const FuzzedCase* at_work = AtWork::the_case();
  const bool memory_fault = signal == SIGSEGV || signal == SIGBUS;
  // A jump to nowhere: the instruction itself cannot be read.
  const bool readable = !memory_fault || rip != reinterpret_cast<uint64_t>(info->si_addr);
  if (readable && signal != SIGABRT) {
    text += fmt::format(" at `{}`", disassemble(rip));
  }
  if (at_work != nullptr) {
    text += at_work->offset_text(rip);
    if (memory_fault) {
      // x86-64 reports no address for a misaligned or non-canonical operand (general protection): si_addr is 0.
      const bool write = (registers[REG_ERR] & 2) != 0;
      const std::string where = at_work->locate(info->si_addr);
      if (!where.empty()) {
        text += fmt::format(": {} of {}", write ? "write" : "read", where);
        check = "memory";
      } else {
        text += info->si_addr == nullptr
                    ? ": no address: a misaligned operand of an aligned instruction, or address 0"
                    : fmt::format(": {} at {}, near no buffer", write ? "write" : "read", info->si_addr);
        check = info->si_addr == nullptr ? "memory" : "crash";
      }
    }
    if (const std::string block = at_work->jit_disassembly(rip); !block.empty()) {
      text += "\n    the generated code around it:\n" + block;
    }
  }
  SampleLog::of_this_process->fail(check, text);
  ::signal(signal, SIG_DFL);
  raise(signal);
}

}  // namespace

void report_crashes() {
  constexpr size_t kStack = size_t{256} << 10;
  stack_t stack{};
  stack.ss_sp = std::malloc(kStack);
  stack.ss_size = kStack;
  sigaltstack(&stack, nullptr);  // the kernel may have destroyed its own
  struct sigaction action {};
  action.sa_sigaction = on_crash;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (const int s : kSignals) {
    sigaction(s, &action, nullptr);
  }
}

}  // namespace assay
