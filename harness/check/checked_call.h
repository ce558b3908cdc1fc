#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "harness/runtime/rng.h"

namespace assay {

/// What a call of a kernel is made with and what it left behind. checked_call.asm knows this layout.
struct CallState {
  // Before the call.
  const void* target;
  uint64_t integer_arguments;  ///< arguments in rdi, rsi, rdx, rcx, r8, r9
  uint64_t float_arguments;    ///< arguments in xmm0, xmm1, ...
  uint64_t vectors;            ///< bits: 1 YMM, 2 ZMM, 4 XGETBV with ECX = 1, 8 single-step the call
  uint64_t garbage[16];        ///< for the registers that hold no argument
  // The caller's own, restored after the call.
  uint64_t callers[7];  ///< rbx, rbp, r12, r13, r14, r15, rsp
  uint32_t callers_mxcsr, callers_x87_control;
  // After the call.
  uint64_t after[7];  ///< rbx, rbp, r12, r13, r14, r15, rsp
  uint64_t expected_rsp;
  uint64_t flags;               ///< RFLAGS
  uint64_t in_use;              ///< XGETBV(1)
  uint64_t stack_canary_words;  ///< words of the caller's frame that still hold the canary
  uint64_t result_rax;
  uint32_t mxcsr;
  uint32_t x87_environment[7];  ///< FNSTENV: control, status, tag word, ...
  uint8_t* stack;               ///< before the call: the end of the stack to make it on; nullptr: the caller's
  alignas(64) uint8_t upper_ymm[16][16];  ///< bits 128..255 of ymm0..15
  alignas(64) uint8_t upper_zmm[16][32];  ///< bits 256..511 of zmm0..15
  alignas(16) uint8_t result_xmm[16];
};

/// Words of canary between the caller's frame and the kernel's return address.
inline constexpr uint64_t kStackCanaryWords = 32;

extern "C" {
extern __thread CallState assay_call_state;  // __thread: plain memory, no constructor to run
/// Called with a kernel's own arguments: calls assay_call_state.target with them, every other register full of
/// garbage, and records what the System V ABI says a function keeps. The kernel's result comes back.
void assay_checked_call();
/// The address right behind the kernel's return: single steps end there.
extern const char assay_checked_call_return[];
}

/// Which machine state a kernel broke, as a name for counting and a text for people; empty: none.
struct StateFault {
  std::string check;  ///< "register", "stack", "mxcsr", "x87-control", "x87-stack", "direction-flag", "dirty-upper"
  std::string text;
};

/// Fills assay_call_state for one call: garbage from `rng`, vector state from this CPU.
void prepare_call(const void* target, uint64_t integer_arguments, uint64_t float_arguments, bool single_step, Rng& rng);

/// What assay_call_state says after the call.
StateFault fault_of_call();

/// Whether dirty upper vector state can be seen here by XGETBV (measured once); else only non-zero upper halves are seen.
bool dirty_upper_is_exact();

/// Fills the stack of the call, below `stack` or below the caller, with garbage, so that a kernel's uninitialised locals hold no lucky zeros.
void dirty_the_stack(uint8_t* stack, Rng& rng);

namespace detail {

/// A 32-bit argument travels in a 64-bit register whose upper half the ABI leaves undefined: garbage.
template <class T>
auto widen_argument(T value, [[maybe_unused]] uint64_t garbage) {
  if constexpr (std::is_integral_v<T> && sizeof(T) < 8) {
    return (garbage << 32) | static_cast<uint32_t>(value);
  } else {
    return value;
  }
}
template <class T>
using Widened = decltype(widen_argument(std::declval<T>(), uint64_t{}));

template <class... A>
constexpr uint64_t count_floats() {
  return (uint64_t{0} + ... + uint64_t{std::is_floating_point_v<A>});
}

}  // namespace detail

/// Calls `f` through assay_checked_call.
template <class R, class... P, class... A>
R checked_call(R (*f)(P...), bool single_step, Rng& rng, A... args) {
  constexpr uint64_t kFloats = detail::count_floats<P...>();
  constexpr uint64_t kIntegers = sizeof...(P) - kFloats;
  static_assert(kIntegers <= 6 && kFloats <= 8, "arguments on the stack are not supported");
  [[maybe_unused]] const uint64_t garbage = rng.next();
  dirty_the_stack(assay_call_state.stack, rng);
  prepare_call(reinterpret_cast<const void*>(f), kIntegers, kFloats, single_step, rng);
  using Wide = R (*)(detail::Widened<P>...);
  return reinterpret_cast<Wide>(assay_checked_call)(detail::widen_argument<P>(static_cast<P>(args), garbage)...);
}

}  // namespace assay
