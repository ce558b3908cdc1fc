#include "runner/block_check.h"

#include <gtest/gtest.h>

#include "harness/error.h"

namespace assay {
namespace {

TEST(BlockCheck, EveryMixOfVariantsMatchesTheReferenceBlock) {
  BlockCheckOptions options;
  options.samples = 120;
  const Verdict v = check_gpt2_block(detect_cpu(), options);
  EXPECT_EQ(v.status, Status::pass) << v.reason << "\n" << v.reproduce;
  EXPECT_EQ(v.samples, 120u);
  EXPECT_GT(v.errors.worst_over_bound, 0.001) << "a bound that far off judges nothing";
}

TEST(BlockCheck, NoVariantToMixIsAnError) {
  BlockCheckOptions options;
  options.variant_glob = "none_such";
  EXPECT_THROW(check_gpt2_block(detect_cpu(), options), MachineError);
}

}  // namespace
}  // namespace assay
