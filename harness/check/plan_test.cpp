#include "harness/check/plan.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <map>
#include <string>

namespace assay {
namespace {

TEST(CheckPlan, FollowsFromTheSeedAtTheStatedRates) {
  constexpr uint64_t kSeeds = 96000;
  std::map<std::string, double> count;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const CheckPlan plan = plan_of(seed, false);
    count["contents"] += plan.other_contents_before;
    count["between"] += plan.other_data_between;
    count["stepped"] += plan.stepped;
    count["threaded"] += plan.threaded;
    count["both"] += plan.stepped && plan.threaded;
    count["mappings"] += plan.mappings;
    count["to the limit"] += plan.step_limits.most_old == UINT64_MAX;
    count["moved"] += plan.generator.moved;
    count["room"] += plan.generator.room;
    count["tiny and stepped"] += plan_of(seed, true).stepped;
    EXPECT_TRUE(plan.other_data_between || !plan.other_contents_before);
    EXPECT_LE(plan.step_limits.most, 2500u);
    EXPECT_GE(plan.step_limits.most, 312u);
  }
  // Each within five standard deviations of a binomial distribution.
  EXPECT_NEAR(count["contents"], kSeeds / 8.0, kSeeds / 8.0 * 0.05);
  EXPECT_NEAR(count["between"], kSeeds * 15 / 64.0, kSeeds * 15 / 64.0 * 0.05);
  EXPECT_NEAR(count["stepped"], kSeeds / 64.0, kSeeds / 64.0 * 0.13);
  EXPECT_NEAR(count["tiny and stepped"], kSeeds / 16.0, kSeeds / 16.0 * 0.07);
  EXPECT_NEAR(count["threaded"], kSeeds / 128.0, kSeeds / 128.0 * 0.18);
  EXPECT_NEAR(count["both"], kSeeds / 8192.0, 17) << "drawn apart from each other";
  EXPECT_NEAR(count["mappings"], kSeeds / 32.0, kSeeds / 32.0 * 0.15);
  EXPECT_NEAR(count["to the limit"], kSeeds / 16.0, kSeeds / 16.0 * 0.07);
  EXPECT_NEAR(count["moved"], kSeeds / 2.0, kSeeds / 2.0 * 0.02);
  EXPECT_NEAR(count["room"], kSeeds / 8.0, kSeeds / 8.0 * 0.05);
}

}  // namespace
}  // namespace assay
