#pragma once
#include <cstdint>
#include <functional>

namespace assay {

/// TF of RFLAGS: a SIGTRAP after the next instruction.
inline constexpr long long kTrapFlag = 0x100;

/// Whether the trap flag raises SIGTRAP here (an emulator may not do it). Tried once.
bool single_step_available();

/// From now on it is not available: under an emulator each step costs thousands of emulated instructions.
void forbid_single_step();

/// What a step tells: the instruction that comes next, and the stack pointer.
using StepVisitor = std::function<void(uint64_t rip, uint64_t rsp)>;

/// Runs `call`, which must make one call through assay_checked_call with single_step set: `visit` is called in a signal
/// handler on the kernel's own stack before each of its instructions, up to `limit` of them (the rest then runs at full
/// speed). `visit` may do anything that does not throw: what it interrupts is the kernel, never the harness.
void single_step(uint64_t limit, const std::function<void()>& call, const StepVisitor& visit);

}  // namespace assay
