#pragma once
#include <cstddef>
#include <cstdint>

namespace assay {

/// What a kernel, or its pack, may use of the stack: threads of other programs may have little more.
inline constexpr size_t kMostStack = size_t{64} << 10;

/// While it lives, if `wanted`, calls that this thread makes through checked_call run on a stack of kMostStack bytes. Below is
/// memory that nothing may touch. Throws MachineError if the system has none.
class OnSmallStack {
 public:
  explicit OnSmallStack(bool wanted);
  ~OnSmallStack();
  OnSmallStack(const OnSmallStack&) = delete;
};

/// Whether `address` lies below this thread's small stack, where a call that needs more of it comes to.
bool is_below_small_stack(const void* address);

}  // namespace assay
