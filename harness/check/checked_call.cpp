#include "harness/check/checked_call.h"

#include <cpuid.h>
#include <fmt/format.h>
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstddef>

#include "harness/runtime/cpu.h"

namespace assay {
namespace {

static_assert(offsetof(CallState, garbage) == 32 && offsetof(CallState, callers) == 160 &&
                  offsetof(CallState, callers_mxcsr) == 216 && offsetof(CallState, after) == 224 &&
                  offsetof(CallState, expected_rsp) == 280 && offsetof(CallState, result_rax) == 312 &&
                  offsetof(CallState, mxcsr) == 320 && offsetof(CallState, stack) == 352 &&
                  offsetof(CallState, upper_ymm) == 384 && offsetof(CallState, upper_zmm) == 640 &&
                  offsetof(CallState, result_xmm) == 1152 && sizeof(CallState) == 1152 + 64,
              "checked_call.asm has these offsets");

constexpr uint64_t kYmm = 1, kZmm = 2, kXgetbv1 = 4, kSingleStep = 8;
constexpr uint64_t kYmmInUse = 1u << 2,
                   kZmmInUse = 1u << 6;     // state components of XCR0 (Intel SDM volume 1, section 13.1)
constexpr uint32_t kMxcsrControl = 0xffc0;  // FZ, rounding, exception masks, DAZ; the low bits are sticky flags
constexpr uint32_t kMxcsrDefault = 0x1f80;
constexpr uint32_t kX87Default = 0x037f;  // System V ABI: extended precision, nearest even, all exceptions masked

// Without target("avx"): with it GCC ends the function with VZEROUPPER, and it leaves nothing in use.
void dirty_ymm() {
  asm volatile("vpcmpeqd %%xmm0, %%xmm0, %%xmm0\n vinsertf128 $1, %%xmm0, %%ymm0, %%ymm0" ::: "xmm0");
}
void leave_clean() {}

/// XGETBV(1) as it is after `f`, through the trampoline itself.
uint64_t in_use_after(void (*f)(), uint64_t vectors) {
  Rng rng(1);
  assay_call_state.target = reinterpret_cast<const void*>(f);
  assay_call_state.integer_arguments = assay_call_state.float_arguments = 0;
  assay_call_state.vectors = vectors;
  assay_checked_call();
  return assay_call_state.in_use;
}

/// What of the vector state this CPU lets the trampoline see.
uint64_t vector_bits() {
  static const uint64_t bits = [] {
    const Cpu cpu = detect_cpu();
    uint64_t b = 0;
    // AVX alone is enough for vextractf128; XCR0 says whether the registers are enabled.
    if (cpu.features.contains("avx") && (cpu.xcr0 & 6) == 6) {
      b |= kYmm;
      b |= isa_status(cpu, "avx512").runnable ? kZmm : 0;
      unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
      if (__get_cpuid_count(0xd, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax & 4) != 0) {
        // Some CPUs and emulators report state as in use always, or never: then it says nothing.
        const bool clean = (in_use_after(leave_clean, b | kXgetbv1) & (kYmmInUse | kZmmInUse)) == 0;
        const bool dirty = (in_use_after(dirty_ymm, b | kXgetbv1) & kYmmInUse) != 0;
        b |= clean && dirty ? kXgetbv1 : 0;
      }
    }
    return b;
  }();
  return bits;
}

bool all_zero(const uint8_t* bytes, size_t n) {
  return std::all_of(bytes, bytes + n, [](uint8_t b) { return b == 0; });
}

}  // namespace

bool dirty_upper_is_exact() { return (vector_bits() & kXgetbv1) != 0; }

void prepare_call(const void* target, uint64_t integer_arguments, uint64_t float_arguments, bool single_step,
                  Rng& rng) {
  const uint64_t vectors = vector_bits();
  CallState& s = assay_call_state;
  s.target = target;
  s.integer_arguments = integer_arguments;
  s.float_arguments = float_arguments;
  s.vectors = vectors | (single_step ? kSingleStep : 0);
  for (auto& g : s.garbage) {
    g = rng.next() | 0x7ff8000000000001u;  // odd, no address, as doubles NaN
  }
  // Now and then what looks like something, in all registers at once: nothing, a small number, -1, an address. Not in the
  // first word, of which the canaries are.
  const uint64_t lucky[] = {0, ~uint64_t{0}, 1 + rng.below(64), reinterpret_cast<uint64_t>(&s)};
  if (const uint64_t drawn = rng.below(8); drawn < std::size(lucky)) {
    std::fill(std::begin(s.garbage) + 1, std::end(s.garbage), lucky[drawn]);
  }
}

StateFault fault_of_call() {
  const CallState& s = assay_call_state;
  constexpr std::array<const char*, 6> kNames = {"rbx", "rbp", "r12", "r13", "r14", "r15"};
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (s.after[i] != s.garbage[7 + i]) {
      return {"register", fmt::format("callee-saved register {} was clobbered: {:#x} before, {:#x} after", kNames[i],
                                      s.garbage[7 + i], s.after[i])};
    }
  }
  if (s.after[6] != s.expected_rsp) {
    return {"stack",
            fmt::format("the stack pointer came back {} bytes off", static_cast<int64_t>(s.after[6] - s.expected_rsp))};
  }
  if (s.stack_canary_words != kStackCanaryWords) {
    return {"stack", fmt::format("{} words of the caller's stack frame were overwritten",
                                 kStackCanaryWords - s.stack_canary_words)};
  }
  if ((s.mxcsr & kMxcsrControl) != kMxcsrDefault) {
    return {"mxcsr", fmt::format("MXCSR control bits came back as {:#x}, they were {:#x}", s.mxcsr & kMxcsrControl,
                                 kMxcsrDefault)};
  }
  if ((s.x87_environment[0] & 0xffff) != kX87Default) {
    return {"x87-control", fmt::format("the x87 control word came back as {:#x}, it was {:#x}",
                                       s.x87_environment[0] & 0xffff, kX87Default)};
  }
  if ((s.x87_environment[2] & 0xffff) != 0xffff) {
    return {"x87-stack",
            fmt::format("the x87 register stack is not empty: tag word {:#06x} (values left, or MMX without EMMS)",
                        s.x87_environment[2] & 0xffff)};
  }
  if ((s.flags & 0x400) != 0) {
    return {"direction-flag", "the direction flag is set"};
  }
  if ((s.vectors & kXgetbv1) != 0 && (s.in_use & (kYmmInUse | kZmmInUse)) != 0) {
    return {
        "dirty-upper",
        fmt::format("the upper halves of the vector registers are in use (XGETBV(1) = {:#x}): VZEROUPPER is missing",
                    s.in_use)};
  }
  if (((s.vectors & kYmm) != 0 && !all_zero(&s.upper_ymm[0][0], sizeof s.upper_ymm)) ||
      ((s.vectors & kZmm) != 0 && !all_zero(&s.upper_zmm[0][0], sizeof s.upper_zmm))) {
    return {"dirty-upper", "the upper halves of the vector registers are not zero: VZEROUPPER is missing"};
  }
  return {};
}

__attribute__((noinline)) void dirty_the_stack(uint8_t* stack, Rng& rng) {
  constexpr size_t kWords = 1024;
  uint64_t own[kWords];
  auto* const words = stack == nullptr ? own : reinterpret_cast<uint64_t*>(stack) - kWords;
  const uint64_t garbage = rng.next();
  for (size_t i = 0; i < kWords; ++i) {
    words[i] = garbage ^ (i * 0x9e3779b97f4a7c15u);
  }
  asm volatile("" : : "r"(words) : "memory");
}

}  // namespace assay
