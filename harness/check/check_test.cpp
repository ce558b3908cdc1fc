#include "harness/check/check.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <functional>
#include <limits>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include "harness/check/fuzzed_case.h"
#include "harness/check/trial.h"
#include "harness/runtime/error.h"

namespace assay {
namespace {

TEST(CaseText, RoundTrip) {
  const std::string text = "dot_f32/scalar:n=17,class=special,alias=y=x,seed=0x1f";
  const CaseId id = case_from(text);
  EXPECT_EQ(id.shape, (Shape{17}));
  EXPECT_EQ(id.alias, 1u);
  EXPECT_EQ(to_string(id), text);
  const std::string shrunk = text + ",place=end,keep_from=3,keep_to=4,values=small";
  EXPECT_EQ(to_string(case_from(shrunk)), shrunk);
}

TEST(CaseText, WrongOnesAreErrors) {
  for (const char* text :
       {"", "dot_f32", "dot_f32/scalar", "dot_f32/scalar:", "dot_f32/scalar:n", "dot_f32/scalar:n=x",
        "dot_f32/scalar:m=1", "dot_f32/scalar:n=1,n=1", "dot_f32/scalar:n=1,seed=1,seed=1",
        "dot_f32/scalar:n=1,class=odd", "dot_f32/scalar:n=1,alias=odd", "dot_f32/avx3:n=1", "dot/scalar:n=1",
        "dot_f32/scalar:n=99999999999999999999", "dot_f32/scalar:n=4611686018427387904",
        "dot_f32/scalar:n=1,place=middle", "dot_f32/scalar:n=1,values=large", "dot_f32/scalar:n=1,keep_to=-1"}) {
    EXPECT_THROW(case_from(text), InputError) << text;
  }
}

TEST(Samples, FollowFromTheSeedAndAreTheSameForAllVariants) {
  const Kernel& kernel = find_kernel("dot_f32");
  for (uint64_t i = 0; i < 50; ++i) {
    const CaseId a = sample_case(kernel, *kernel.find("scalar"), 7, i);
    const CaseId b = sample_case(kernel, *kernel.find("x87"), 7, i);
    EXPECT_EQ(a.seed, b.seed);
    EXPECT_EQ(a.shape, b.shape);
    EXPECT_EQ(a.input_class, b.input_class);
  }
  // A constant of the design: a change of it changes every seed that people have noted.
  EXPECT_EQ(sample_case(kernel, *kernel.find("scalar"), 7, 3).seed, 3449475292330751518u);
}

TEST(Samples, EveryLengthPastFourVectorsComesFirst) {
  const Kernel& kernel = find_kernel("dot_f32");
  for (uint64_t i = 0; i < 260; ++i) {
    EXPECT_EQ(sample_case(kernel, *kernel.find("scalar"), 1, i).shape[0], i);
  }
}

// Defects that a child process meets: each is a failed verdict, none harms this process.
Verdict child(const std::function<void(SampleLog&)>& work) { return run_in_child("kernel", "variant", 0.5, work); }

TEST(ChildProcess, ACrashFailsTheVariantAlone) {
  const Verdict v = child([](SampleLog& r) {
    r.begin("the case");
    raise(SIGILL);
  });
  EXPECT_EQ(v.status, Status::fail);
  EXPECT_NE(v.reason.find("SIGILL"), std::string::npos);
  EXPECT_EQ(v.reproduce, "the case");
}

// As when the system gives no memory, no thread or no more time.
TEST(ChildProcess, WhatTheSystemRefusesIsNotTheVariantsFault) {
  const std::pair<const char*, std::function<void()>> refusals[] = {
      {"no page left", [] { throw MachineError("no page left"); }},
      {"out of memory", [] { throw std::bad_alloc(); }},
      {"the system refuses", [] { throw std::system_error(EAGAIN, std::generic_category()); }},
      {"ulimit -t", [] { raise(SIGXCPU); }},
      {"seccomp", [] { raise(SIGSYS); }},
      {"SIGKILL", [] { raise(SIGKILL); }},
  };
  for (const auto& [part, refuse] : refusals) {
    const Verdict v = child([&](SampleLog& log) {
      log.begin("a");
      log.done(0);
      log.begin("b");
      refuse();
    });
    EXPECT_EQ(v.status, Status::not_runnable) << part;
    EXPECT_EQ(v.caught_by, "machine") << part;
    EXPECT_NE(v.reason.find(part), std::string::npos) << v.reason;
    EXPECT_EQ(v.reproduce, "") << part;
    EXPECT_EQ(summarize({v}).exit_status(), 3) << part;
  }
}

TEST(ChildProcess, AHangIsCutOff) {
  const auto nothing = [] {};
  for (const std::function<void()>& hang : {std::function<void()>([] { pause(); }), std::function<void()>([&] {
                                              for (;;) {
                                                nothing();
                                                asm volatile("");
                                              }
                                            })}) {
    const Verdict v = child([&](SampleLog&) { hang(); });
    EXPECT_EQ(v.status, Status::fail);
    EXPECT_EQ(v.reason, "hang: no sample finished within 0.5 s");
  }
}

TEST(ChildProcess, AnExitIsAFailure) {
  EXPECT_EQ(child([](SampleLog&) { _exit(3); }).status, Status::fail);
}

TEST(ChildProcess, AnExitInTheMidstOfASampleIsAFailure) {
  const Verdict v = child([](SampleLog& log) {
    log.begin("a");
    log.done(0);
    log.begin("b");
    _exit(0);
  });
  EXPECT_EQ(v.status, Status::fail);
  EXPECT_EQ(v.reproduce, "b");
}

TEST(ChildProcess, ACaseComesBackWhole) {
  const CaseId id =
      case_from("dot_f32/scalar:n=17,class=special,alias=y=x,seed=0x1f,place=end,keep_from=3,keep_to=4,values=small");
  const Verdict v = child([&](SampleLog& log) {
    log.begin(id);
    log.done(0.5);
    log.begin(id);
    log.fail("canary", "what went wrong");
  });
  ASSERT_TRUE(v.failing_case && v.worst_case);
  EXPECT_EQ(to_string(*v.failing_case), to_string(id));
  EXPECT_EQ(to_string(*v.worst_case), to_string(id));
  EXPECT_EQ(v.worst, to_string(id));
  EXPECT_EQ(v.reproduce, "assay check --case '" + to_string(id) + "'");
}

TEST(ChildProcess, NoSampleIsNoPass) {
  const Verdict v = child([](SampleLog&) {});
  EXPECT_EQ(v.status, Status::fail);
  EXPECT_EQ(v.reason, "no sample was run");
}

TEST(ChildProcess, OneThatKeepsGoingTellsAllFailures) {
  const Verdict v = child([](SampleLog& log) {
    for (const char* check : {"canary", "value", "value"}) {
      log.begin(fmt::format("case {}", log.kept_count()));
      log.fail(check, fmt::format("failure {}", log.kept_count()));
      log.keep_failure();
    }
    log.begin("case 3");
    log.done(0);
    log.fail_as_kept();
  });
  EXPECT_EQ(v.status, Status::fail);
  EXPECT_EQ(v.caught_by, "canary");
  EXPECT_EQ(v.reason, "failure 0");
  EXPECT_EQ(v.reproduce, "case 0");
  EXPECT_EQ(v.samples, 1u);
  EXPECT_EQ(v.failures, (std::vector<std::string>{"failure 0", "failure 1", "failure 2"}));
}

TEST(ChildProcess, SamplesAreCounted) {
  const Verdict v = child([](SampleLog& r) {
    r.begin("a");
    r.done(0.25);
    r.begin("b");
    r.done(0.5);
  });
  EXPECT_EQ(v.status, Status::pass);
  EXPECT_EQ(v.samples, 2u);
  EXPECT_EQ(v.errors.worst_over_bound, 0.5);
  EXPECT_EQ(v.worst, "b");
  EXPECT_FALSE(v.worst_case) << "a command is no case";
}

// The judge itself, over a variant that is never called.
class JudgeTest : public testing::Test {
 protected:
  JudgeTest()
      : case_(*find_kernel("dot_f32").find("scalar"), CaseId{"dot_f32/scalar", {4}, InputClass::normal, 0, 1}, pool_) {}
  GuardedPool pool_;
  FuzzedCase case_;
};

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST_F(JudgeTest, Values) {
  EXPECT_NO_THROW(case_.expect("x", 0, 1.0f, {1.0, 0}));
  EXPECT_THROW(case_.expect("x", 0, std::nextafter(1.0f, 2.0f), {1.0, 0}), Mismatch);
  EXPECT_NO_THROW(case_.expect("x", 0, 1.5f, {1.0, 0.5}));
  EXPECT_THROW(case_.expect("x", 0, 1.51f, {1.0, 0.5}), Mismatch);
  EXPECT_EQ(case_.errors().worst_over_bound, 1.0);
}

TEST_F(JudgeTest, NanAndInf) {
  EXPECT_NO_THROW(case_.expect("x", 0, kNan, {kNan, 0}));
  EXPECT_THROW(case_.expect("x", 0, kNan, {1.0, 1e30}), Mismatch);
  EXPECT_THROW(case_.expect("x", 0, 1.0f, {kNan, 1e30}), Mismatch);
  EXPECT_THROW(case_.expect("x", 0, 1.0f, {1.0, kNan}), Mismatch) << "a bound that is NaN is no bound";
  EXPECT_NO_THROW(case_.expect("x", 0, kInf, {HUGE_VAL, 0}));
  EXPECT_THROW(case_.expect("x", 0, -kInf, {HUGE_VAL, 0}), Mismatch);
  EXPECT_THROW(case_.expect("x", 0, 1e38f, {HUGE_VAL, 0}), Mismatch);
  EXPECT_THROW(case_.expect("x", 0, kInf, {1e38, 1e30}), Mismatch);
  EXPECT_NO_THROW(case_.expect("x", 0, kInf, {3.5e38, 0}));
  EXPECT_NO_THROW(case_.expect("x", 0, kInf, {1.0, 0, true}));
}

TEST_F(JudgeTest, BitsTellZerosApart) {
  EXPECT_THROW(case_.expect_bits("x", 0, -0.0f, 0.0f), Mismatch);
  EXPECT_NO_THROW(case_.expect_bits("x", 0, -0.0f, -0.0f));
  EXPECT_NO_THROW(case_.expect_bits("x", 0, kNan, -kNan));
}

TEST_F(JudgeTest, AWriteBesideTheBufferIsSeen) {
  float* out = case_.output<float>("out", 4);
  const auto write_before = [](float* p) { reinterpret_cast<volatile unsigned char*>(p)[-1] = 0; };
  const auto write_after = [](float* p) { reinterpret_cast<volatile unsigned char*>(p)[16] = 0; };
  // One of the two sides may be the guard page itself: that is a SIGSEGV, seen by the parent process.
  const Verdict before = child([&](SampleLog& r) {
    r.begin("before");
    try {
      case_.call(+write_before, out);
      r.done(0);
    } catch (const Mismatch& m) {
      r.fail(m.what());
    }
  });
  const Verdict after = child([&](SampleLog& r) {
    r.begin("after");
    try {
      case_.call(+write_after, out);
      r.done(0);
    } catch (const Mismatch& m) {
      r.fail(m.what());
    }
  });
  EXPECT_EQ(before.status, Status::fail);
  EXPECT_EQ(after.status, Status::fail);
}

TEST_F(JudgeTest, InputsAreReadOnly) {
  const auto x = case_.input<float>("x", 4);
  const auto write = [](const float* p) { *const_cast<volatile float*>(p) = 1; };
  const Verdict v = child([&](SampleLog& r) {
    r.begin("write");
    case_.call(+write, x.data);
    r.done(0);
  });
  EXPECT_EQ(v.status, Status::fail);
  EXPECT_NE(v.reason.find("SIGSEGV"), std::string::npos);
}

}  // namespace
}  // namespace assay
