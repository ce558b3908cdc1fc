#include "harness/check/checked_call.h"

#include <gtest/gtest.h>

#include "harness/check/instructions.h"
#include "harness/check/single_step.h"
#include "harness/runtime/cpu.h"

namespace assay {
namespace {

// What C++ cannot write: functions that break the ABI.
__attribute__((naked)) int64_t returns_its_whole_register(int32_t) { asm("movq %rdi, %rax; ret"); }
__attribute__((naked)) void keeps_all() { asm("ret"); }
__attribute__((naked)) void clobbers_rbx() { asm("xorl %ebx, %ebx; ret"); }
__attribute__((naked)) void clobbers_r15() { asm("incq %r15; ret"); }
__attribute__((naked)) void sets_direction() { asm("std; ret"); }
__attribute__((naked)) void leaves_x87() { asm("fldz; ret"); }
__attribute__((naked)) void leaves_mmx() { asm("pxor %mm0, %mm0; ret"); }
__attribute__((naked)) void lowers_precision() { asm("pushq $0x27f; fldcw (%rsp); popq %rax; ret"); }
__attribute__((naked)) void flushes_to_zero() { asm("pushq $0x9fc0; ldmxcsr (%rsp); popq %rax; ret"); }
__attribute__((naked)) void raises_a_sticky_flag() { asm("pushq $0x1fa0; ldmxcsr (%rsp); popq %rax; ret"); }
__attribute__((naked)) void overwrites_the_caller() { asm("movq $0, 16(%rsp); ret"); }
__attribute__((naked)) void leaves_upper_dirty() {
  asm("vpcmpeqd %xmm0, %xmm0, %xmm0; vinsertf128 $1, %xmm0, %ymm0, %ymm0; ret");
}
__attribute__((naked)) float below_the_red_zone(float) {
  asm("movss %xmm0, -512(%rsp); nop; nop; movss -512(%rsp), %xmm0; ret");
}
__attribute__((naked)) void loops_a_hundred_times() {
  asm("movl $100, %eax; 1: nop; nop; decl %eax; jnz 1b; movl $5, %eax; 2: decl %eax; jnz 2b; ret");
}
__attribute__((naked)) float in_the_red_zone(float) {
  asm("movss %xmm0, -8(%rsp); nop; nop; movss -8(%rsp), %xmm0; ret");
}

/// What any of a few calls sees: the garbage of one may be what a clobbered register holds by chance.
std::string check_of(void (*f)()) {
  Rng rng(1);
  for (int i = 0; i < 16; ++i) {
    checked_call(f, false, rng);
    if (const StateFault fault = fault_of_call(); !fault.check.empty()) {
      return fault.check;
    }
  }
  return "";
}

TEST(CheckedCall, NamesWhatWasBroken) {
  EXPECT_EQ(check_of(keeps_all), "");
  EXPECT_EQ(check_of(clobbers_rbx), "register");
  EXPECT_NE(fault_of_call().text.find("rbx"), std::string::npos);
  EXPECT_EQ(check_of(clobbers_r15), "register");
  EXPECT_NE(fault_of_call().text.find("r15"), std::string::npos);
  EXPECT_EQ(check_of(sets_direction), "direction-flag");
  EXPECT_EQ(check_of(leaves_x87), "x87-stack");
  EXPECT_EQ(check_of(leaves_mmx), "x87-stack");
  EXPECT_EQ(check_of(lowers_precision), "x87-control");
  EXPECT_EQ(check_of(flushes_to_zero), "mxcsr");
  EXPECT_EQ(check_of(raises_a_sticky_flag), "") << "status flags are not kept by any function";
  EXPECT_EQ(check_of(overwrites_the_caller), "stack");
  EXPECT_EQ(check_of(keeps_all), "") << "each call starts clean";
}

TEST(CheckedCall, DirtyUpperHalves) {
  if (!isa_status(detect_cpu(), "avx2").runnable) {
    GTEST_SKIP() << "this CPU has no AVX2";
  }
  EXPECT_EQ(check_of(leaves_upper_dirty), "dirty-upper");
  EXPECT_EQ(check_of(keeps_all), "");
}

TEST(CheckedCall, UpperHalvesOf32BitArgumentsAreGarbage) {
  Rng rng(1);
  int differing = 0;
  for (int i = 0; i < 20; ++i) {
    const int64_t whole = checked_call(returns_its_whole_register, false, rng, int32_t{7});
    EXPECT_EQ(static_cast<int32_t>(whole), 7);
    differing += whole != 7;
  }
  EXPECT_EQ(differing, 20);
}

TEST(SingleStep, VisitsInstructionsAndDestroysWhatLiesBelowTheRedZone) {
  if (!single_step_available()) {
    GTEST_SKIP() << "the trap flag raises no signal here";
  }
  Rng rng(1);
  const auto stepped = [&](float (*f)(float)) {
    float result = 0;
    uint64_t steps = 0;
    single_step(
        {100}, [&] { result = checked_call(f, true, rng, 1.5f); }, [&](const Step&) { return ++steps > 0; });
    EXPECT_EQ(steps, 5u);  // four instructions and RET
    return result;
  };
  EXPECT_EQ(stepped(in_the_red_zone), 1.5f);
  EXPECT_NE(stepped(below_the_red_zone), 1.5f);
}

TEST(SingleStep, EndsWhereALoopShowsNothingNew) {
  if (!single_step_available()) {
    GTEST_SKIP() << "the trap flag raises no signal here";
  }
  Rng rng(1);
  const auto steps = [&](const StepLimits& limits, uint64_t most_new) {
    uint64_t all = 0;
    uint64_t fresh = 0;
    single_step(
        limits, [&] { checked_call(loops_a_hundred_times, true, rng); },
        [&](const Step& step) {
          ++all;
          fresh += step.is_new;
          return fresh < most_new;
        });
    EXPECT_LE(fresh, 9u);
    return all;
  };
  EXPECT_EQ(steps({1000}, 100), 1 + 400 + 1 + 10 + 1u);
  EXPECT_EQ(steps({20}, 100), 20u);
  EXPECT_EQ(steps({1000, 30}, 100), 1 + 8 + 30u) << "two rounds, and 30 instructions that show nothing new";
  EXPECT_EQ(steps({1000, 391}, 100), 1 + 8 + 391u);
  EXPECT_EQ(steps({1000, 392}, 100), 1 + 400 + 1 + 10 + 1u) << "new instructions come in time";
  EXPECT_EQ(steps({1000}, 4), 4u) << "the visitor ends it";
}

__attribute__((naked)) void popcnt_instruction() { asm("popcnt %eax, %eax"); }
__attribute__((naked)) void avx2_instruction() { asm("vpaddd %ymm0, %ymm0, %ymm0"); }
__attribute__((naked)) void avx512_instruction() { asm("vpaddd %zmm0, %zmm0, %zmm0"); }
__attribute__((naked)) void vnni_instruction() { asm("vpdpbusd %zmm0, %zmm0, %zmm0"); }
__attribute__((naked)) void sse2_instruction() { asm("paddd %xmm0, %xmm0"); }

TEST(Instructions, AVariantMayExecuteItsIsaOnly) {
  const auto foreign = [](const char* isa, void (*f)()) {
    return !foreign_instruction(isa, reinterpret_cast<uint64_t>(f), false).empty();
  };
  EXPECT_FALSE(foreign("scalar", sse2_instruction));
  EXPECT_TRUE(foreign("scalar", popcnt_instruction));
  EXPECT_FALSE(foreign("sse", popcnt_instruction));
  EXPECT_TRUE(foreign("sse", avx2_instruction));
  EXPECT_FALSE(foreign("jit_avx2", avx2_instruction));
  EXPECT_TRUE(foreign("avx2", avx512_instruction));
  EXPECT_FALSE(foreign("avx512", avx512_instruction));
  EXPECT_TRUE(foreign("avx512", vnni_instruction));
  EXPECT_FALSE(foreign("avx512_vnni", vnni_instruction));
}

}  // namespace
}  // namespace assay
