#include "harness/bench/bench.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "harness/bench/audit.h"
#include "harness/bench/choose.h"
#include "harness/bench/peak.h"
#include "harness/bench/timed_shapes.h"
#include "harness/runtime/error.h"
#include "harness/runtime/profile.h"

namespace assay {
namespace {

/// One sample for each round.
Timing timing(const std::string& variant, std::vector<double> samples) {
  Timing t;
  t.variant = variant;
  t.samples_ns = std::move(samples);
  return t;
}

/// `probe_ns`: none for rounds all alike.
ShapeTimings decided(std::vector<Timing> timings, const Timing& control, std::vector<double> probe_ns = {}) {
  ShapeTimings s;
  s.probe_ns = probe_ns.empty() ? std::vector<double>(timings.back().samples_ns.size(), 1.0) : std::move(probe_ns);
  s.timings = std::move(timings);
  s.control = control;
  decide(s);
  return s;
}

TEST(Estimate, MedianAndInterval) {
  const Estimate e = estimate({5, 1, 3, 2, 4});
  EXPECT_EQ(e.median, 3);
  EXPECT_LE(e.low, 3);
  EXPECT_GE(e.high, 3);
  EXPECT_EQ(estimate({1, 2, 3, 4}).median, 2.5);
  EXPECT_EQ(estimate({7, 7, 7}).low, 7);
  EXPECT_EQ(estimate({7, 7, 7}).high, 7);
}

TEST(Decision, AClearWinnerIsNamed) {
  const auto s =
      decided({timing("scalar", {100, 101, 102}), timing("avx2", {10, 11, 12}), timing("avx512", {20, 21, 22})},
              timing("avx2", {10, 11, 12}));
  EXPECT_EQ(s.find("avx2")->median_ns, 11);
  EXPECT_EQ(s.winner, "avx2");
  EXPECT_EQ(s.runner_up, "avx512");
  EXPECT_FALSE(s.tie);
}

TEST(Decision, ATieGoesToTheSimplerIsa) {
  const auto s = decided(
      {timing("scalar", {100, 101, 102}), timing("sse", {10.2, 10.3, 10.1}), timing("avx2", {10.1, 10.15, 10.2})},
      timing("avx2", {10.1, 10.15, 10.2}));
  EXPECT_EQ(s.winner, "sse");
  EXPECT_EQ(s.runner_up, "avx2");
  EXPECT_TRUE(s.tie);
}

TEST(Decision, RoundsAreComparedEachWithItself) {
  // The machine gets slower and slower: the intervals of the medians overlap, the ratios do not.
  const auto s = decided({timing("sse", {11, 22, 33, 44, 55, 66, 77}), timing("avx2", {10, 20, 30, 40, 50, 60, 70})},
                         timing("avx2", {10, 20, 30, 40, 50, 60, 70}));
  EXPECT_GT(s.find("avx2")->high_ns, s.find("sse")->low_ns);
  EXPECT_NEAR(s.find("sse")->ratio, 1.1, 1e-12);
  EXPECT_EQ(s.winner, "avx2");
  EXPECT_FALSE(s.tie);
}

TEST(Decision, ADifferenceWithinTheControlIsATie) {
  const auto s = decided({timing("sse", {10.1, 10.1, 10.1}), timing("avx2", {10, 10, 10})},
                         timing("avx2", {10.5, 10.5, 10.5}));  // the same code, 5% apart
  EXPECT_EQ(s.winner, "sse");
  EXPECT_TRUE(s.tie);
}

TEST(Decision, ATieCostsNoMoreThanTwoPercent) {
  const auto s =
      decided({timing("sse", {12, 12, 12}), timing("avx2", {10, 10, 10}), timing("avx512", {10.1, 10.1, 10.1})},
              timing("avx2", {14, 14, 14}));  // a machine too noisy to tell
  EXPECT_EQ(s.winner, "avx2");
  EXPECT_TRUE(s.tie);
}

TEST(Decision, ASimplerIsaIsTakenOnlyIfItIsSeenToCostLittle) {
  const auto s =
      decided({timing("sse", {10.05, 11, 9.5, 10.5, 9, 10.05, 12}), timing("avx2", {10, 10, 10, 10, 9.9, 9.9, 10})},
              timing("avx2", {10, 10, 10, 10, 10, 10, 10}));
  EXPECT_FALSE(s.find("sse")->slower);
  EXPECT_GT(s.find("sse")->ratio_high, 1.02);  // it may be 5% slower: too few rounds to tell
  EXPECT_EQ(s.winner, "avx2");
  EXPECT_TRUE(s.tie);
  EXPECT_EQ(possible_loss(s),
            estimate({10 / 10.05, 10 / 11.0, 10 / 9.5, 10 / 10.5, 9.9 / 9, 9.9 / 10.05, 10 / 12.0}).high);
}

TEST(Decision, TheFasterRoundByRoundIsTheFastest) {
  const auto s = decided({timing("avx2", {9.5, 11.5, 15, 15.5, 17.5}), timing("jit_avx2", {10, 12, 14, 16, 18})},
                         timing("avx2", {9.5, 11.5, 15, 15.5, 17.5}));
  EXPECT_GT(s.find("avx2")->median_ns, s.find("jit_avx2")->median_ns);
  EXPECT_EQ(s.fastest().variant, "avx2");
  EXPECT_EQ(s.find("avx2")->ratio, 1);
  EXPECT_GT(s.find("jit_avx2")->ratio, 1.03);
  EXPECT_EQ(s.winner, "avx2");
}

TEST(Decision, WhatMayNotBeChosenIsTimedBesideTheOthers) {
  Timing claimed = timing("mine:fast", {5, 5, 5});
  claimed.usable = false;
  const auto s =
      decided({timing("sse", {20, 20, 20}), timing("avx2", {10, 10, 10}), claimed}, timing("mine:fast", {5, 5, 5}));
  EXPECT_EQ(s.winner, "avx2");
  EXPECT_EQ(s.runner_up, "sse");
  EXPECT_FALSE(s.tie);
  EXPECT_EQ(s.fastest().variant, "avx2");
  EXPECT_EQ(s.find("mine:fast")->ratio, 0.5);
  EXPECT_EQ(possible_loss(s), 1);
}

TEST(Decision, DisturbedRoundsDoNotCount) {
  // In the odd rounds the machine is slower, and "sse" suffers less: that is not this CPU's choice.
  std::vector<double> sse, avx2, probe_ns;
  for (int round = 0; round < 20; ++round) {
    sse.push_back(round % 2 == 0 ? 11 : 13);
    avx2.push_back(round % 2 == 0 ? 10 : 20);
    probe_ns.push_back(round % 2 == 0 ? 100 : 120);
  }
  const auto s = decided({timing("sse", sse), timing("avx2", avx2)}, timing("avx2", avx2), probe_ns);
  ASSERT_EQ(s.quiet.size(), 10u);
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(s.quiet[i], 2 * i);
  }
  EXPECT_EQ(s.winner, "avx2");
  EXPECT_FALSE(s.tie);
  EXPECT_EQ(s.find("sse")->median_ns, 11);
}

TEST(Peaks, TheLargerOfTwoMeasurementsIsTheLimit) {
  Peak peak;
  peak.int8 = {"vpmaddubsw ymm", 100};
  peak.int8_narrow[8] = {"vpmaddubsw ymm, 8 sums in 16 bits", 160};
  peak.levels = {{"L1", 10e9, 10e9, 20e9}, {"mem", 5e9, 5e9, 5e9}};
  EXPECT_EQ(peak.int8_of(1).per_second, 100);
  EXPECT_EQ(peak.int8_of(8).per_second, 160);
  EXPECT_EQ(peak.int8_of(4).per_second, 100);  // not measured
  Peak again = peak;
  again.int8_narrow[8].per_second = 150;
  again.levels[0].read = 10.1e9;  // as good as the same
  again.levels[1] = {"mem", 4e9, 5e9, 7e9};
  EXPECT_EQ(raise_limits(peak, again), "mem mixed 5.0 -> 7.0 GB/s");
  EXPECT_EQ(peak.int8_narrow[8].per_second, 160);
  EXPECT_EQ(peak.levels[0].read, 10.1e9);
  EXPECT_EQ(peak.levels[1].read, 5e9);
  EXPECT_EQ(peak.levels[1].mixed, 7e9);
}

TEST(Decision, QuietRoundsAreThoseLikeTheQuietest) {
  EXPECT_EQ(find_quiet_rounds({100, 104, 101, 103, 110, 99, 100, 101, 102, 100, 100, 250}),
            (std::vector<size_t>{0, 1, 2, 3, 5, 6, 7, 8, 9, 10}));
  EXPECT_EQ(find_quiet_rounds({100, 200, 300}), (std::vector<size_t>{0, 1, 2}));  // too few to leave some out
  EXPECT_TRUE(find_quiet_rounds({}).empty());
  std::vector<double> mostly_disturbed(40, 200.0);
  mostly_disturbed[7] = 100;
  EXPECT_EQ(find_quiet_rounds(mostly_disturbed).size(), 40u);  // the one was luck
  std::fill_n(mostly_disturbed.begin(), 10, 160.0);
  EXPECT_EQ(find_quiet_rounds(mostly_disturbed), (std::vector<size_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_GT(probe_machine(), 0);
}

TEST(Decision, DisturbedRoundsAreCountedThoughTheyAreTaken) {
  EXPECT_EQ(count_disturbed({}), 0u);
  EXPECT_EQ(count_disturbed({100, 200, 300}), 2u);
  EXPECT_EQ(count_disturbed({100, 104, 101, 106}), 0u);
}

TEST(Decision, ADroppedVariantIsComparedInTheRoundsThatItHas) {
  std::vector<double> avx2(30, 10.0);
  std::fill_n(avx2.begin(), 10, 12.0);
  std::vector<double> probe_ns(30, 100.0);
  std::fill_n(probe_ns.begin(), 10, 120.0);  // none of the quiet rounds is among the first ten
  const auto s =
      decided({timing("scalar", std::vector<double>(10, 36.0)), timing("avx2", avx2)}, timing("avx2", avx2), probe_ns);
  EXPECT_EQ(s.quiet.front(), 10u);
  EXPECT_EQ(s.find("scalar")->ratio, 3);
  EXPECT_TRUE(s.find("scalar")->slower);
  EXPECT_EQ(s.winner, "avx2");
}

/// Verdicts of dot_f32.
std::vector<Verdict> passed(const std::vector<std::string>& variants, const std::vector<Shape>& shapes = {}) {
  std::vector<Verdict> verdicts;
  for (const std::string& variant : variants) {
    Verdict& v = verdicts.emplace_back();
    v.kernel = "dot_f32";
    v.variant = variant;
    v.status = Status::pass;
    v.shapes = shapes;
  }
  return verdicts;
}

/// dot_f32 at three sizes of one class and at one of another.
std::vector<ShapeTimings> two_classes() {
  const Kernel& kernel = find_kernel("dot_f32");
  const ShapeClass l1{"L1", {1024}};
  std::vector<ShapeTimings> shapes;
  const auto add = [&](const ShapeClass& shape_class, double sse, double avx2, double avx512) {
    shapes.push_back(decided({timing("sse", {sse, sse, sse}), timing("avx2", {avx2, avx2, avx2}),
                              timing("avx512", {avx512, avx512, avx512})},
                             {}));
    shapes.back().kernel = "dot_f32";
    shapes.back().shape_class = shape_class;
  };
  add(l1, 10, 10.5, 30);
  add(scaled(kernel, l1, 75), 20, 10, 9);
  add(scaled(kernel, l1, 40), 20, 19, 9);
  add({"L2", {65536}}, 10, 11, 12);
  return shapes;
}

TEST(FindGaps, WhereNoVariantIsGoodAtBothSizes) {
  auto shapes = two_classes();
  const auto gaps = find_gaps(shapes);
  ASSERT_EQ(gaps.size(), 1u);  // avx512 is the best at 0.75 and at 0.4
  EXPECT_EQ(gaps[0].shape_class.name(), "L1 x 0.87");
  EXPECT_EQ(gaps[0].shape_class.shape, Shape{832});
  ASSERT_EQ(gaps[0].variants.size(), 3u);
  EXPECT_EQ(gaps[0].variants[1]->name(), "dot_f32/avx2");
  shapes[1].shape_class.shape = gaps[0].shape_class.shape;  // as where sizes are of whole blocks
  EXPECT_TRUE(find_gaps(shapes).empty());
}

TEST(Choose, OneChoiceForEachTwoNeighbouringSizes) {
  const auto shapes = two_classes();
  const auto verdicts = passed({"sse", "avx2", "avx512"}, {{1024}, {65536}});
  const Profile profile = choose(detect_cpu(), verdicts, shapes);
  ASSERT_EQ(profile.choices.size(), 3u);
  EXPECT_EQ(profile.choices[0].label, "L1");
  EXPECT_EQ(profile.choices[0].shape, Shape{1024});
  EXPECT_EQ(profile.choices[0].variant, "avx2");  // a tenth behind at one, the others twice
  EXPECT_EQ(profile.choices[0].why, "none is the fastest at both sizes: 1.11x its time at worst, sse 2.22x");
  EXPECT_TRUE(profile.choices[0].timing.contains("disturbed"));
  EXPECT_FALSE(profile.archspec.empty());
  EXPECT_EQ(profile.choices[1].label, "L1 x 0.55");
  EXPECT_EQ(profile.choices[1].shape, Shape{512});
  EXPECT_EQ(profile.choices[1].variant, "avx512");
  EXPECT_EQ(profile.choices[1].why, "2.11x faster than avx2, the runner-up");
  EXPECT_EQ(profile.choices[2].label, "L2");
  EXPECT_EQ(profile.choices[2].variant, "sse");
}

TEST(Choose, NothingOfAClassThatWasNotChecked) {
  auto verdicts = passed({"sse", "avx2", "avx512"}, {{1024}});
  verdicts[1].shapes.push_back({65536});  // of one of the variants that were timed
  const Profile profile = choose(detect_cpu(), verdicts, two_classes());
  ASSERT_EQ(profile.choices.size(), 2u);
  EXPECT_EQ(profile.choices[1].label, "L1 x 0.55");
}

TEST(CheckTimedShapes, AVariantThatIsWrongThereIsNotTimed) {
  const Cpu cpu = detect_cpu();
  const Kernel& kernel = find_kernel("dot_f32");
  std::vector<const Variant*> variants = {kernel.find("scalar"), kernel.find("sse")};
  std::vector<TimingJob> jobs = {{&kernel, variants, {"L1", {1024}}},
                                 {&kernel, variants, scaled(kernel, {"L1", {1024}}, 75)}};
  auto verdicts = passed({"scalar", "sse"});
  check_timed_shapes(cpu, jobs, verdicts, {});
  EXPECT_EQ(verdicts[0].samples, 3u);
  EXPECT_EQ(verdicts[0].shapes, (std::vector<Shape>{{1024}, {1023}, {1025}}));
  ASSERT_EQ(jobs.size(), 2u);
  check_timed_shapes(cpu, jobs, verdicts, {});  // what was checked is not checked again
  EXPECT_EQ(verdicts[0].samples, 3u);
  jobs[0].checked = false;
  jobs[0].shape_class.shape = {size_t{1} << 60};  // no memory: it cannot run there
  check_timed_shapes(cpu, jobs, verdicts, {});
  EXPECT_EQ(verdicts[1].status, Status::not_runnable);
  EXPECT_TRUE(jobs.empty());
}

TEST(Scaled, EverySizeOverOneInWholeBlocks) {
  EXPECT_EQ(scaled(find_kernel("dot_f32"), {"L1", {1000}}, 45).shape, Shape{384});
  EXPECT_EQ(scaled(find_kernel("dot_f32"), {"L1-ragged", {1000}, false, 100, true}, 45).shape, Shape{384 + 29});
  EXPECT_EQ(scaled(find_kernel("quantize_q8_0"), {"L1", {1024}}, 45).shape, Shape{448});  // blocks of 32
  EXPECT_EQ(scaled(find_kernel("dot_f32"), {"L1", {1000}}, 45).name(), "L1 x 0.45");
  EXPECT_EQ(scaled(find_kernel("dot_f32"), {"L1", {1000}}, 100).name(), "L1");
  const ShapeClass decode = scaled(find_kernel("matmul_q1_0"), {"decode", {768, 768, 1}}, 70);
  EXPECT_EQ(decode.shape, (Shape{512, 512, 1}));  // 128 columns to a block
}

TEST(Audit, WithoutAProfileItSaysSoBeforeItChecksAnything) {
  EXPECT_THROW(dispatch_to_audit(detect_cpu(), "/nonexistent/profile.json"), InputError);
}

TEST(Audit, TimesTheChoiceAgainstTheOthersAtShapesOfItsOwn) {
  const Cpu cpu = detect_cpu();
  Dispatch dispatch(cpu, std::map<std::string, std::string>{{"dot_f32", "scalar"}});
  const auto entries = audit(cpu, passed({"scalar"}), dispatch, 7);
  ASSERT_EQ(entries.size(), timed_classes(find_kernel("dot_f32"), cpu.caches).size());
  for (const auto& e : entries) {
    EXPECT_EQ(e.chosen, "scalar");
    EXPECT_EQ(e.fastest, "scalar");  // nothing else passed
    EXPECT_EQ(e.loss, 0);
  }
}

TEST(Bench, AFilterHoldsForEachRoundAlsoIfItNamesTheEnd) {
  const Kernel& kernel = find_kernel("add_f32");
  BenchOptions options;
  options.filter = "scalar/L1$";
  options.repetitions = 5;
  options.min_time = 1e-5;
  nlohmann::json google;
  const auto shapes =
      time_shapes({{&kernel, {kernel.find("scalar"), kernel.find("sse")}, {"L1", {64}}}}, options, google, nullptr);
  ASSERT_EQ(shapes.size(), 1u);
  ASSERT_EQ(shapes[0].timings.size(), 1u);
  EXPECT_EQ(shapes[0].timings[0].samples_ns.size(), 5u);
  EXPECT_EQ(shapes[0].control.variant, "scalar");
  EXPECT_EQ(shapes[0].control.samples_ns.size(), 5u);
  ASSERT_EQ(google["benchmarks"].size(), 10u);
  for (const auto& b : google["benchmarks"]) {
    EXPECT_TRUE(b["name"] == "add_f32/scalar/L1" || b["name"] == "add_f32/scalar/L1/control") << b["name"];
  }
}

TEST(Bench, SlowVariantsAreDroppedAfterFiveRounds) {
  BenchOptions options;
  options.repetitions = 9;
  options.min_time = 1e-4;
  options.drop_over = 2;
  nlohmann::json google;
  const Kernel& kernel = find_kernel("exp_f32");
  const auto shapes =
      time_shapes({{&kernel, {kernel.find("x87"), kernel.find("sse")}, {"L1", {1000}}}}, options, google);
  ASSERT_EQ(shapes.size(), 1u);
  EXPECT_EQ(shapes[0].find("x87")->samples_ns.size(), 5u);  // 30 times slower
  EXPECT_EQ(shapes[0].find("sse")->samples_ns.size(), 9u);
  EXPECT_EQ(shapes[0].control.samples_ns.size(), 9u);
  EXPECT_EQ(shapes[0].winner, "sse");
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
  const auto classes = timed_classes(kernel, cpu.caches);
  const auto cold = std::ranges::find(classes, "L1-cold", &ShapeClass::label);
  ASSERT_NE(cold, classes.end());
  ASSERT_TRUE(cold->cold);
  EXPECT_EQ(cold->shape, classes.front().shape);
  const auto shapes = time_shapes({{&kernel, variants, classes.front()}, {&kernel, variants, *cold}}, options, google);
  ASSERT_EQ(shapes.size(), 2u);
  for (const ShapeTimings& shape : shapes) {
    ASSERT_EQ(shape.timings.size(), variants.size());
    for (const Timing& t : shape.timings) {
      EXPECT_EQ(t.samples_ns.size(), 3u) << t.variant;
      EXPECT_EQ(t.generation_ns > 0, t.variant == "jit_avx2") << t.variant;
    }
  }
}

}  // namespace
}  // namespace assay
