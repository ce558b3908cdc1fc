// The statistics of `assay compare`, on samples that are made up.
#include "harness/bench/compare.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harness/runtime/cpu.h"
#include "harness/runtime/rng.h"
#include "harness/runtime/testing.h"

namespace assay {
namespace {

/// `rounds` times of about 100 ns with `noise`, then `factor` as long; where they are paired, a disturbance hits both of a round now and then.
BeforeAfter made_up(uint64_t seed, double factor, double noise, bool paired = true, size_t rounds = 30) {
  Rng rng(seed);
  BeforeAfter s{fmt::format("kernel/variant/{}", seed), {}, {}, paired};
  for (size_t i = 0; i < rounds; ++i) {
    const auto time = [&] { return 100 * (1 + noise * std::fabs(static_cast<double>(rng.normal()))); };
    const double disturbed = paired && rng.below(5) == 0 ? 1.7 : 1;
    s.before_ns.push_back(time() * disturbed);
    s.after_ns.push_back(time() * factor * disturbed);
  }
  return s;
}

TEST(Compare, HalfOfTheRoundsCountHoweverFewAreQuiet) {
  ShapeTimings shape;
  shape.kernel = "kernel";
  shape.timings.resize(2);
  shape.timings[0].variant = "before";
  shape.timings[1].variant = "after";
  for (int round = 0; round < 40; ++round) {
    shape.probe_ns.push_back(round < 10 ? 100 : 130 + round);
    shape.timings[0].samples_ns.push_back(round);
    shape.timings[1].samples_ns.push_back(2 * round);
  }
  EXPECT_EQ(pair_of(shape, "before", "after").before_ns.size(), 20u);
  shape.probe_ns.assign(40, 100);
  shape.probe_ns[7] = 130;
  const BeforeAfter pair = pair_of(shape, "before", "after");
  EXPECT_EQ(pair.before_ns.size(), 39u);
  EXPECT_EQ(std::ranges::count(pair.before_ns, 7.0) + std::ranges::count(pair.after_ns, 14.0), 0);
}

TEST(Compare, ATenthSlowerIsFoundAndTheSameIsNotAccused) {
  for (const bool paired : {true, false}) {
    std::vector<BeforeAfter> same, slower;
    for (uint64_t seed = 1; seed <= 40; ++seed) {
      same.push_back(made_up(seed, 1, 0.01, paired));
      slower.push_back(made_up(seed, 1.1, 0.01, paired));
    }
    for (const Comparison& c : compare(same, 0.05)) {
      EXPECT_EQ(c.change, Change::not_worse) << c.name << " " << c.ratio << " " << paired;
      EXPECT_LT(c.low, c.ratio);
      EXPECT_GT(c.high, c.ratio);
    }
    for (const Comparison& c : compare(slower, 0.05)) {
      EXPECT_EQ(c.change, Change::worse) << c.name << " " << c.ratio << " " << paired;
      EXPECT_NEAR(c.ratio, 1.1, 0.03);
    }
  }
}

TEST(Compare, OfTwoHundredRunsWithoutAChangeAtMostTwoAccuse) {
  // At the threshold itself, where chance alone decides.
  for (const bool paired : {true, false}) {
    int alarms = 0;
    for (uint64_t run = 0; run < 200; ++run) {
      std::vector<BeforeAfter> all;
      for (uint64_t i = 0; i < 20; ++i) {
        Rng rng(mix_seed(run, i));
        BeforeAfter s{"x", {}, {}, paired};
        for (int round = 0; round < 30; ++round) {
          s.before_ns.push_back(100 * std::exp(0.1 * static_cast<double>(rng.normal())));
          s.after_ns.push_back(105 * std::exp(0.1 * static_cast<double>(rng.normal())));
        }
        all.push_back(s);
      }
      const auto compared = compare(all, 0.05);
      alarms += std::ranges::any_of(compared, [](const Comparison& c) { return c.change == Change::worse; });
    }
    EXPECT_LE(alarms, 6) << "1% of 200, and what chance adds in one draw of them" << paired;
  }
}

TEST(Compare, NoiseIsNoVerdict) {
  const auto noisy = compare({made_up(1, 1.05, 0.5)}, 0.05);
  EXPECT_EQ(noisy[0].change, Change::undecided);
  const auto few = compare({made_up(1, 3, 0.01, true, 5)}, 0.05);
  EXPECT_EQ(few[0].change, Change::undecided) << "five rounds cannot show 1%";
}

nlohmann::json report(double factor) {
  nlohmann::json samples = nlohmann::json::array();
  for (int i = 0; i < 20; ++i) {
    samples.push_back(100 * factor + i % 3);
  }
  return {{"schema_version", 1},
          {"cpu", to_json(detect_cpu())},
          {"shapes",
           {{{"kernel", "dot_f32"},
             {"class", "L1"},
             {"shape", {4096}},
             {"timings", {{{"variant", "avx2"}, {"samples_ns", samples}}}}}}}};
}

TEST(Compare, ReportsOfOneCpuAreCompared) {
  const TemporaryFolder folder;
  const std::string before = folder.path("before.json"), after = folder.path("after.json");
  write_all(before, report(1).dump());
  write_all(after, report(1).dump());
  EXPECT_EQ(run_assay({"compare", before, after}).status, 0);
  write_all(after, report(1.2).dump());
  const auto worse = run_assay({"compare", before, after});
  EXPECT_EQ(worse.status, 1);
  EXPECT_NE(worse.out.find("dot_f32/avx2/L1 ([4096])"), std::string::npos) << worse.out;
  EXPECT_NE(worse.out.find("1 worse, 0 not worse, 0 undecided"), std::string::npos) << worse.out;
  EXPECT_EQ(run_assay({"compare", before, after, "--threshold", "50"}).status, 0);
  const auto json = nlohmann::json::parse(run_assay({"compare", before, after, "--json"}).out);
  EXPECT_EQ(json.at("comparisons")[0].at("change"), "worse");
}

TEST(Compare, WhatCannotBeComparedIsRefused) {
  const TemporaryFolder folder;
  const std::string before = folder.path("before.json"), after = folder.path("after.json");
  write_all(before, report(1).dump());
  const auto refused = [&](const nlohmann::json& other, const char* text) {
    write_all(after, other.dump());
    expect_refused({"compare", before, after}, text);
  };
  nlohmann::json other = report(1);
  other["cpu"]["model"] = 9999;
  refused(other, "are of different CPUs: model");
  other = report(1);
  other.erase("cpu");
  refused(other, "are of different CPUs: vendor");
  other = report(1);
  other["shapes"][0]["timings"][0].erase("samples_ns");
  refused(other, "holds no samples (it is a summary)");
  other = report(1);
  other["shapes"][0]["timings"][0]["samples_ns"] = {1, 2};
  refused(other, "has under 5 samples");
  other = report(1);
  other["shapes"][0]["timings"][0]["samples_ns"][3] = -1;
  refused(other, "some that are no times");
  for (const double time : {1e308, 1e-308}) {
    other["shapes"][0]["timings"][0]["samples_ns"][3] = time;
    refused(other, "some that are no times");
  }
  other = report(1);
  other["shapes"][0]["timings"][0]["samples_ns"] = "many";
  refused(other, "type must be array");
  other = report(1);
  other["shapes"][0]["kernel"] = "add_f32";
  refused(other, "have no variant at one shape in common");
  other = report(1);
  other["schema_version"] = 9;
  refused(other, "has schema version 9");
  refused(nlohmann::json::array(), "is no report");
  write_all(after, std::string(100000, '['));
  expect_refused({"compare", before, after}, "is no report");
  expect_refused({"compare", before}, "AFTER");
  expect_refused({"compare", before, folder.path("none.json")}, "none.json");
  expect_refused({"compare"}, "give two reports");
}

}  // namespace
}  // namespace assay
