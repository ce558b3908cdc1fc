#include "harness/check/single_step.h"

#include <signal.h>
#include <ucontext.h>

#include <cstring>

#include "harness/check/checked_call.h"

namespace assay {
namespace {

struct Session {
  uint64_t limit;
  uint64_t steps = 0;
  const StepVisitor* visit;
};
thread_local Session* session = nullptr;
bool forbidden = false;

/// The system aligns its frame, so that up to 63 bytes right below the red zone stay as they were. Another system, or a
/// CPU with more state, would overwrite them.
void fill_gap_below_red_zone(const mcontext_t& machine) {
  constexpr uint64_t kRedZone = 128;       // System V AMD64 ABI, section 3.2.2
  constexpr uint32_t kMagic = 0x46505853;  // FP_XSTATE_MAGIC1 of asm/sigcontext.h: more than FXSAVE's 512 bytes
  const auto* state = reinterpret_cast<const uint8_t*>(machine.fpregs);
  if (state == nullptr) {
    return;
  }
  uint32_t software[2];  // struct _fpx_sw_bytes: magic, size
  std::memcpy(software, state + 464, sizeof software);
  const auto end = reinterpret_cast<uint64_t>(state) + (software[0] == kMagic ? software[1] : 512);
  const uint64_t red_zone = static_cast<uint64_t>(machine.gregs[REG_RSP]) - kRedZone;
  if (end < red_zone && red_zone - end < 512) {  // else the frame is not on this stack
    std::memset(reinterpret_cast<void*>(end), 0xd6, red_zone - end);
  }
}

void on_trap(int, siginfo_t*, void* context) {
  const mcontext_t& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
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
    fill_gap_below_red_zone(machine);
    Session* const mine = session;
    session = nullptr;  // a call made by visit is not stepped
    (*mine->visit)(rip, static_cast<uint64_t>(registers[REG_RSP]));
    session = mine;
  }
}

void nothing() {}

}  // namespace

void single_step(uint64_t limit, const std::function<void()>& call, const StepVisitor& visit) {
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

void forbid_single_step() { forbidden = true; }

bool single_step_available() {
#ifdef __SANITIZE_THREAD__
  return false;  // its run-time library holds locks of its own where a step may interrupt it
#endif
  if (forbidden) {
    return false;
  }
  static const bool available = [] {
    uint64_t steps = 0;
    Rng rng(1);
    single_step(
        100, [&] { checked_call(&nothing, true, rng); }, [&](uint64_t, uint64_t) { ++steps; });
    return steps >= 1;
  }();
  return available;
}

}  // namespace assay
