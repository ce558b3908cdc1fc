#include "harness/predict/trace.h"

#include <signal.h>
#include <ucontext.h>

#include "harness/check/single_step.h"

namespace assay {
namespace {

// A signal handler has no other way to its data.
const std::vector<CodeRange>* g_ranges;
Trace* g_trace;
uint64_t g_limit;

void on_step(int, siginfo_t*, void* context) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto at = static_cast<uintptr_t>(registers[REG_RIP]);
  ++g_trace->steps;
  for (size_t i = 0; i < g_ranges->size(); ++i) {
    const CodeRange& range = (*g_ranges)[i];
    g_trace->entries[i] += at == range.first;
    g_trace->instructions[i] += at >= range.first && at <= range.last;
  }
  if (g_trace->steps >= g_limit) {
    g_trace->complete = false;
    registers[REG_EFL] &= ~kTrapFlag;
  }
}

// The red zone below the stack pointer is the surrounding function's: pushfq must not overwrite it.
void set_trap_flag() {
  asm volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp"
               :
               :
               : "memory", "cc");
}
void clear_trap_flag() {
  asm volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\tlea 128(%%rsp), %%rsp"
               :
               :
               : "memory", "cc");
}

}  // namespace

Trace single_step(const std::function<void()>& work, const std::vector<CodeRange>& ranges, uint64_t limit) {
  Trace trace;
  trace.complete = true;
  trace.entries.assign(ranges.size(), 0);
  trace.instructions.assign(ranges.size(), 0);
  g_ranges = &ranges;
  g_trace = &trace;
  g_limit = limit;
  struct sigaction action {};
  struct sigaction before {};
  action.sa_sigaction = on_step;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGTRAP, &action, &before);
  set_trap_flag();
  work();
  clear_trap_flag();
  sigaction(SIGTRAP, &before, nullptr);
  return trace;
}

}  // namespace assay
