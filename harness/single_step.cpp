#include "harness/single_step.h"

#include <signal.h>
#include <ucontext.h>

#include <cstring>

#include "harness/checked_call.h"

namespace assay {
namespace {

constexpr greg_t kTrapFlag = 0x100;

struct Session {
  uint64_t limit;
  uint64_t steps = 0;
  const std::function<void(uint64_t)>* visit;
};
thread_local Session* session = nullptr;

/// The kernel's signal frame begins with the saved vector state, aligned down from the red zone: overwrites what that leaves free.
void overwrite_gap(const ucontext_t& context) {
  constexpr size_t kExtendedSize = 468;  // of struct _fpx_sw_bytes, in the reserved bytes of FXSAVE (asm/sigcontext.h of Linux)
  constexpr ptrdiff_t kRedZone = 128, kLargestGap = 4096;
  const auto* state = reinterpret_cast<const uint8_t*>(context.uc_mcontext.fpregs);
  auto* end = reinterpret_cast<uint8_t*>(context.uc_mcontext.gregs[REG_RSP]) - kRedZone;
  if (state == nullptr) {
    return;
  }
  uint32_t size = 0;
  std::memcpy(&size, state + kExtendedSize, sizeof size);
  auto* begin = const_cast<uint8_t*>(state) + size;
  if (begin < end && end - begin < kLargestGap) {
    std::memset(begin, 0xEE, static_cast<size_t>(end - begin));
  }
}

void on_trap(int, siginfo_t*, void* context) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto rip = static_cast<uint64_t>(registers[REG_RIP]);
  const auto begin = reinterpret_cast<uint64_t>(assay_checked_call);
  constexpr uint64_t kTrampolineBytes = 1024;  // its own instructions before and behind the call are stepped too
  if (session == nullptr) {
    registers[REG_EFL] &= ~kTrapFlag;
  } else if (rip - begin >= kTrampolineBytes) {
    if (++session->steps > session->limit) {
      registers[REG_EFL] &= ~kTrapFlag;
      return;
    }
    overwrite_gap(*static_cast<ucontext_t*>(context));
    Session* const mine = session;
    session = nullptr;  // a call made by visit is not stepped
    (*mine->visit)(rip);
    session = mine;
  }
}

void nothing() {}

}  // namespace

void single_step(uint64_t limit, const std::function<void()>& call, const std::function<void(uint64_t)>& visit) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_sigaction = on_trap;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;  // on the kernel's stack: that is the point
  sigaction(SIGTRAP, &action, &before);
  Session mine{limit, 0, &visit};
  session = &mine;
  call();
  session = nullptr;
  sigaction(SIGTRAP, &before, nullptr);
}

bool single_step_available() {
  static const bool available = [] {
    uint64_t steps = 0;
    Rng rng(1);
    single_step(100, [&] { checked_call(&nothing, true, rng); }, [&](uint64_t) { ++steps; });
    return steps >= 1;
  }();
  return available;
}

}  // namespace assay
