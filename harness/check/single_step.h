#pragma once
#include <ucontext.h>

#include <cstdint>
#include <functional>

namespace assay {

/// TF of RFLAGS: a SIGTRAP after the next instruction.
inline constexpr long long kTrapFlag = 0x100;

/// Whether the trap flag raises SIGTRAP here (an emulator may not do it). Tried once.
bool single_step_available();

/// From now on it is not available: under an emulator each step costs thousands of emulated instructions.
void forbid_single_step();

/// What is seen before an instruction is executed.
struct Step {
  uint64_t rip;  ///< the instruction
  uint64_t rsp;
  bool is_new;                ///< the first time in this call
  const mcontext_t* machine;  ///< all registers
};
/// Whether to step on; false: the rest of the call runs at full speed.
using StepVisitor = std::function<bool(const Step&)>;

/// How far a call is stepped. The rest runs at full speed: a step costs thousands of times as much as the instruction.
struct StepLimits {
  uint64_t most;                   ///< instructions
  uint64_t most_old = UINT64_MAX;  ///< in a row that had been executed twice or more before: another round of a loop
};

/// Runs `call`, which must make one call through assay_checked_call with single_step set: `visit` is called in a signal
/// handler on the kernel's own stack before each of its instructions, within `limits`. `visit` may do anything that does
/// not throw: what it interrupts is the kernel, never the harness. But in a function of the C library that the kernel calls it may
/// neither allocate nor wait: that may hold the lock which is waited for.
void single_step(const StepLimits& limits, const std::function<void()>& call, const StepVisitor& visit);

}  // namespace assay
