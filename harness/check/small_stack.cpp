#include "harness/check/small_stack.h"

#include <sys/mman.h>

#include "harness/check/checked_call.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

constexpr size_t kBelow = size_t{16} << 20;  // a large frame is skipped, not walked through

/// The reservation: what lies below, and the stack.
uint8_t* reserve() {
  void* map = mmap(nullptr, kBelow + kMostStack, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED || mprotect(static_cast<uint8_t*>(map) + kBelow, kMostStack, PROT_READ | PROT_WRITE) != 0) {
    throw MachineError("cannot map memory for a stack");
  }
  return static_cast<uint8_t*>(map);
}

uint8_t* reservation = nullptr;  // of the thread that checks; kept for the next call

}  // namespace

OnSmallStack::OnSmallStack(bool wanted) {
  if (!wanted) {
    return;
  }
  if (reservation == nullptr) {
    reservation = reserve();
  }
  assay_call_state.stack = reservation + kBelow + kMostStack;
}

OnSmallStack::~OnSmallStack() { assay_call_state.stack = nullptr; }

bool is_below_small_stack(const void* address) {
  const auto* byte = static_cast<const uint8_t*>(address);
  return reservation != nullptr && byte >= reservation && byte < reservation + kBelow;
}

}  // namespace assay
