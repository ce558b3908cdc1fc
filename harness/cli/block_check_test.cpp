#include "harness/cli/block_check.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "harness/runtime/error.h"
#include "harness/runtime/testing.h"

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

TEST(BlockCheck, TheWrongVariantIsBlamedAndNoOther) {
  size_t blamed = 0;
  for (const std::string guilty : {
           "add_f32=sse!last_element_missed",
           "attention_f32=scalar!mask_one_late",
           "gelu_f32=jit_avx2!fma_operands_exchanged",
           "layer_norm_f32=avx2!bias_twice_in_the_tail",
           "matmul_f32=sse!odd_token_missed",
           "matmul_q1_0=scalar!scale_of_the_neighbouring_block",
           "quantize_q8_0=scalar!scale_of_the_previous_block",
       }) {
    const auto run = run_assay({"check", "--block", "gpt2", "--force", guilty, "--json"}, ASSAY_SELFTEST_BINARY);
    if (run.status == 3) {
      continue;  // this CPU lacks the ISA
    }
    ASSERT_EQ(run.status, 1) << guilty << "\n" << run.out << run.err;
    const std::string reason = nlohmann::json::parse(run.out).at(0).at("reason");
    std::string name = guilty;
    name[name.find('=')] = '/';
    EXPECT_NE(reason.find("; to blame: " + name + "; variants: "), std::string::npos) << guilty << "\n" << reason;
    ++blamed;
  }
  EXPECT_GE(blamed, 3u);
}

TEST(BlockCheck, ForcingAKernelThatTheBlockHasNotIsAnError) {
  BlockCheckOptions options;
  options.force = "dot_f32=scalar";
  EXPECT_THROW(check_gpt2_block(detect_cpu(), options), InputError);
}

TEST(BlockCheck, NoVariantToMixIsAnError) {
  BlockCheckOptions options;
  options.variant_glob = "none_such";
  EXPECT_THROW(check_gpt2_block(detect_cpu(), options), MachineError);
}

}  // namespace
}  // namespace assay
