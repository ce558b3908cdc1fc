#pragma once
#include <ucontext.h>

#include <cstdint>
#include <functional>
#include <string>

namespace assay {

/// Memory that an instruction touches.
struct Touched {
  uint64_t address;
  uint64_t bytes;
  bool write;
};

/// Calls `visit` for all memory that the instruction at `rip` is about to touch, with the registers of `machine`, as a signal
/// handler gets them: of masked and gathered operands the enabled elements alone, of a repeated string instruction one round.
/// False: the instruction cannot be told (no Zydis in this build, or no valid instruction).
bool visit_touched(uint64_t rip, const mcontext_t& machine, const std::function<void(const Touched&)>& visit);

}  // namespace assay
