#include "harness/check/single_step.h"

#include <signal.h>
#include <ucontext.h>

#include <array>
#include <cstring>

#include "harness/check/checked_call.h"

namespace assay {
namespace {

/// How often each instruction of one call was executed, up to `kOften` times. No allocation: it works in a signal handler.
class Executions {
 public:
  static constexpr uint8_t kOften = 2;

  /// Counts one more; how many there were before. What finds no place is always new.
  uint8_t count(uint64_t rip) {
    const size_t home = rip * 0x9e3779b97f4a7c15u >> 52;
    for (size_t i = 0; i < kProbes; ++i) {
      const size_t at = (home + i) % kEntries;
      if (rips_[at] == 0 || rips_[at] == rip) {
        rips_[at] = rip;
        return counts_[at] < kOften ? counts_[at]++ : counts_[at];
      }
    }
    return 0;
  }

 private:
  static constexpr size_t kEntries = 4096;
  static constexpr size_t kProbes = 16;
  std::array<uint64_t, kEntries> rips_{};
  std::array<uint8_t, kEntries> counts_{};
};

struct Session {
  StepLimits limits;
  const StepVisitor* visit;
  uint64_t steps = 0;
  uint64_t old = 0;  ///< in a row
  Executions executions{};
};
thread_local Session* session = nullptr;
bool forbidden = false;

/// The system aligns its frame, so that up to 63 bytes right below the red zone stay as they were; and so do those that XSAVE leaves out of what it
/// saves. Another system, or a CPU with more state, would overwrite them.
void fill_gap_below_red_zone(const mcontext_t& machine) {
  constexpr uint64_t kRedZone = 128;       // System V AMD64 ABI, section 3.2.2
  constexpr uint32_t kMagic = 0x46505853;  // FP_XSTATE_MAGIC1 of asm/sigcontext.h: more than FXSAVE's 512 bytes
  auto* const state = reinterpret_cast<uint8_t*>(machine.fpregs);
  if (state == nullptr) {
    return;
  }
  constexpr size_t kReserved = 416,
                   kForSystem = 464;  // Intel SDM volume 1, section 13.4.1; sigcontext.h: the system's begin there
  std::memset(state + kReserved, 0xd6, kForSystem - kReserved);
  uint32_t software[2];  // struct _fpx_sw_bytes: magic, size
  std::memcpy(software, state + 464, sizeof software);
  const auto end = reinterpret_cast<uint64_t>(state) + (software[0] == kMagic ? software[1] : 512);
  const uint64_t red_zone = static_cast<uint64_t>(machine.gregs[REG_RSP]) - kRedZone;
  if (end < red_zone && red_zone - end < 512) {  // else the frame is not on this stack
    std::memset(reinterpret_cast<void*>(end), 0xd6, red_zone - end);
  }
}

/// Whether to step on.
bool visit_step(Session& mine, const mcontext_t& machine, uint64_t rip) {
  const uint8_t before = mine.executions.count(rip);
  mine.old = before == Executions::kOften ? mine.old + 1 : 0;
  if (++mine.steps > mine.limits.most || mine.old > mine.limits.most_old) {
    return false;
  }
  fill_gap_below_red_zone(machine);
  session = nullptr;  // a call made by visit is not stepped
  const bool go_on = (*mine.visit)({rip, static_cast<uint64_t>(machine.gregs[REG_RSP]), before == 0, &machine});
  session = &mine;
  return go_on;
}

// qemu-user 7.2 calls handlers with a stack that is 8 bytes off.
__attribute__((force_align_arg_pointer)) void on_trap(int, siginfo_t*, void* context) {
  mcontext_t& machine = static_cast<ucontext_t*>(context)->uc_mcontext;
  const auto rip = static_cast<uint64_t>(machine.gregs[REG_RIP]);
  const auto begin = reinterpret_cast<uint64_t>(assay_checked_call);
  constexpr uint64_t kTrampolineBytes = 1024;  // its own instructions before the call are stepped too
  const bool returned = rip == reinterpret_cast<uint64_t>(assay_checked_call_return);
  const bool in_kernel = rip - begin >= kTrampolineBytes;
  if (session == nullptr || returned || (in_kernel && !visit_step(*session, machine, rip))) {
    machine.gregs[REG_EFL] &= ~kTrapFlag;
  }
}

void nothing() {}

}  // namespace

void single_step(const StepLimits& limits, const std::function<void()>& call, const StepVisitor& visit) {
  struct sigaction action {};
  struct sigaction before {};
  action.sa_sigaction = on_trap;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;  // on the kernel's stack: that is the point
  sigaction(SIGTRAP, &action, &before);
  Session mine{.limits = limits, .visit = &visit};
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
        {100}, [&] { checked_call(&nothing, true, rng); }, [&](const Step&) { return ++steps > 0; });
    return steps >= 1;
  }();
  return available;
}

}  // namespace assay
