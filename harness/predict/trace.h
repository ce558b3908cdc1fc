#pragma once
#include <cstdint>
#include <functional>
#include <vector>

namespace assay {

/// A stretch of code, by the addresses of its first instruction and of its last.
struct CodeRange {
  uintptr_t first, last;
};

struct Trace {
  uint64_t steps = 0;                  ///< instructions executed
  bool complete = false;               ///< false: cut off at the limit
  std::vector<uint64_t> entries;       ///< of each range: how often its first instruction was executed
  std::vector<uint64_t> instructions;  ///< of each range: instructions executed in it
};

/// Executes `work` one instruction at a time (the trap flag, Intel SDM vol. 3B, section 18.3.1.4) and counts, for at
/// most `limit` instructions. Takes about a microsecond for each. The code itself needs no marks. Steps stay 0 where
/// the trap flag does nothing (some emulators). For a process with one thread: give it a child of its own.
Trace single_step(const std::function<void()>& work, const std::vector<CodeRange>& ranges, uint64_t limit);

}  // namespace assay
