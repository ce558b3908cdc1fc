#include "harness/bench.h"

#include <gtest/gtest.h>

#include "harness/audit.h"
#include "harness/error.h"

namespace assay {
namespace {

Timing timing(const std::string& variant, std::vector<double> samples) {
  Timing t;
  t.variant = variant;
  t.samples_ns = std::move(samples);
  summarise(t);
  return t;
}

TEST(Summary, MedianAndInterval) {
  const Timing t = timing("a", {5, 1, 3, 2, 4});
  EXPECT_EQ(t.median_ns, 3);
  EXPECT_LE(t.low_ns, 3);
  EXPECT_GE(t.high_ns, 3);
  EXPECT_EQ(timing("a", {1, 2, 3, 4}).median_ns, 2.5);
  const Timing same = timing("a", {7, 7, 7});
  EXPECT_EQ(same.low_ns, 7);
  EXPECT_EQ(same.high_ns, 7);
}

TEST(Decision, AClearWinnerIsNamed) {
  ShapeTimings s;
  s.timings = {timing("scalar", {100, 101, 102}), timing("avx2", {10, 11, 12}), timing("avx512", {20, 21, 22})};
  s.control = timing("avx2", {10, 11, 12});
  decide(s);
  EXPECT_EQ(s.winner, "avx2");
  EXPECT_EQ(s.runner_up, "avx512");
  EXPECT_FALSE(s.tie);
}

TEST(Decision, ATieGoesToTheSimplerIsa) {
  ShapeTimings s;
  s.timings = {timing("scalar", {100, 101, 102}), timing("sse", {10, 10.6, 12}), timing("avx2", {9, 10.5, 12})};
  s.control = timing("avx2", {9, 10.5, 12});
  decide(s);
  EXPECT_EQ(s.winner, "sse");
  EXPECT_EQ(s.runner_up, "avx2");
  EXPECT_TRUE(s.tie);
}

TEST(Decision, ADifferenceWithinTheControlIsATie) {
  ShapeTimings s;
  s.timings = {timing("sse", {10.1, 10.1, 10.1}), timing("avx2", {10, 10, 10})};
  s.control = timing("avx2", {10.5, 10.5, 10.5});  // the same code, 5% apart
  decide(s);
  EXPECT_EQ(s.winner, "sse");
  EXPECT_TRUE(s.tie);
}

TEST(Decision, ATieCostsNoMoreThanTwoPercent) {
  ShapeTimings s;
  s.timings = {timing("sse", {12, 12, 12}), timing("avx2", {10, 10, 10}), timing("avx512", {10.1, 10.1, 10.1})};
  s.control = timing("avx2", {14, 14, 14});  // a machine too noisy to tell
  decide(s);
  EXPECT_EQ(s.winner, "avx2");
  EXPECT_TRUE(s.tie);
}

TEST(Audit, WithoutAProfileItSaysSoBeforeItChecksAnything) {
  EXPECT_THROW(dispatch_to_audit(detect_cpu(), "/nonexistent/profile.json"), InputError);
}

TEST(Audit, TimesTheChoiceAgainstTheOthersAtShapesOfItsOwn) {
  const Cpu cpu = detect_cpu();
  Verdict scalar;
  scalar.kernel = "dot_f32";
  scalar.variant = "scalar";
  scalar.status = Status::pass;
  Dispatch dispatch(cpu, std::map<std::string, std::string>{{"dot_f32", "scalar"}});
  const auto entries = audit(cpu, {scalar}, dispatch);
  ASSERT_EQ(entries.size(), timed_classes(*find_kernel("dot_f32").trial, cpu.caches).size());
  for (const auto& e : entries) {
    EXPECT_EQ(e.chosen, "scalar");
    EXPECT_EQ(e.fastest, "scalar");  // nothing else passed
    EXPECT_EQ(e.loss, 0);
    EXPECT_NE(e.shape.find("x 0.7"), std::string::npos);
  }
}

TEST(Bench, ColdCachesAreAClassApartAndGenerationIsNoPartOfATiming) {
  const Cpu cpu = detect_cpu();
  BenchOptions options;
  options.repetitions = 3;
  options.min_time = 1e-4;
  nlohmann::json google;
  const Kernel& kernel = find_kernel("dot_f32");
  std::vector<const Variant*> variants = {kernel.find("scalar")};
  if (isa_status(cpu, "jit_avx2").runnable) {
    variants.push_back(kernel.find("jit_avx2"));
  }
  const auto classes = timed_classes(*kernel.trial, cpu.caches);
  ASSERT_TRUE(classes.back().cold);
  EXPECT_EQ(classes.back().label, "L1-cold");
  EXPECT_EQ(classes.back().shape, classes.front().shape);
  for (const ShapeClass& c : {classes.front(), classes.back()}) {
    const ShapeTimings shape = time_shape(kernel, variants, c, options, google);
    ASSERT_EQ(shape.timings.size(), variants.size());
    for (const Timing& t : shape.timings) {
      EXPECT_EQ(t.samples_ns.size(), 3u) << t.variant;
      EXPECT_EQ(t.generation_ns > 0, t.variant == "jit_avx2") << t.variant;
    }
  }
}

}  // namespace
}  // namespace assay
